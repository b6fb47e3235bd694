"""Acknowledged delivery: who has confirmed which event, and which are to be given again to whom.

Apart from the log, which knows no users. A row comes into being with the confirmation, never before: what is open for
a user follows from the log and from what is not here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef
from django.utils import timezone

from realtime import log, topics, wanting
from realtime.conf import conf
from realtime.controls import joinings_of
from realtime.metrics import metrics
from realtime.models import MAX_CLIENT, Event, Receipt
from realtime.outbox import once_committed
from realtime.protocol.entry import Entry
from realtime.wanting import Want, Wanting, to_the_millisecond

Joinings = Mapping[str, int]

_COLUMNS = ("position", "topic", "event_id", "timestamp", "expires", "about")


class Ask(NamedTuple):
    """A user, and events of which it is asked whether they still want that user's acknowledgement."""

    user_id: Any
    wants: Sequence[Want]


class Due(NamedTuple):
    """What is to be given again, in order, and the place behind which there may be more; None for no more."""

    entries: list[Entry]
    behind: int | None


NOTHING_DUE = Due([], None)


def confirm(user: Any, event_ids: Iterable[UUID], *, transport: str, client: str = "") -> None:
    """Record that a client of ``user`` has handled these events.

    Confirming twice is harmless, as is what is unknown, wants no acknowledgement or is not for this user: of that
    nothing is stored. Of one event ``RECEIPT_CLIENTS`` clients are recorded, and those that confirm it at the very same
    moment: a bound on what is kept, for which nobody is held up.
    """
    memories = wanting.memories()
    heard = _heard(user, set(event_ids))
    positions: dict[UUID, list[int]] = {}
    abouts = {UUID(want.event_id): want.about for want in heard}
    for want in heard:
        positions.setdefault(UUID(want.event_id), []).append(want.position)
    rows = Receipt.objects.using(log.database())
    known = list(rows.filter(user=user.pk, event_id__in=abouts).values_list("event_id", "client"))
    clients, client = Counter(event_id for event_id, _ in known), client[:MAX_CLIENT]
    fresh = [
        Receipt(event_id=event_id, about=about, user_id=user.pk, transport=transport, client=client)
        for event_id, about in abouts.items()
        if (event_id, client) not in known and clients[event_id] < conf.RECEIPT_CLIENTS
    ]
    rows.bulk_create(fresh, ignore_conflicts=True)
    metrics.acknowledged.labels(transport).inc(len(fresh))
    settled = [position for each in positions.values() for position in each]

    def remember() -> None:
        for memory in memories:
            memory.add(str(user.pk), settled)

    once_committed(remember, log.database())


def due(user_id: Any, on: Iterable[str], behind: int, upto: int, limit: int) -> Due:
    """What on these topics, which the user may read, stands between two places and still wants their acknowledgement.

    Asks the database, for those who are served without a hub; at most ``limit`` events.
    """
    confirmed = Receipt.objects.filter(event_id=OuterRef("event_id"), user=user_id)
    # One more than asked for: it tells that there are more.
    found = _wants(_between(on, behind, upto).exclude(Exists(confirmed))[: limit + 1])
    (open_ones,) = still_wanted([Ask(user_id, found[:limit])]) if found else ([],)
    entries = log.entries_at(want.position for want in open_ones) if open_ones else []
    return Due(entries, found[limit - 1].position if len(found) > limit else None)


def wants_on(on: Iterable[str], behind: int, upto: int) -> list[Want]:
    """What on these topics, between two places, wants an acknowledgement of anybody; one page of it."""
    return _wants(_between(on, behind, upto)[: conf.PAGE])


def still_wanted(asks: Sequence[Ask]) -> list[list[Want]]:
    """For each ask, those events that the user has not confirmed and was there for. At most three queries for all."""
    confirmed = _confirmed(asks)
    rest = [[want for want in ask.wants if (ask.user_id, want.event_id) not in confirmed] for ask in asks]
    if not any(rest):
        return rest
    first = min(want.position for wants in rest for want in wants)
    waiting = {ask.user_id for ask, wants in zip(asks, rest, strict=True) if wants}
    joined = joinings_of(waiting, first)
    users = _users(waiting, {want.topic for wants in rest for want in wants})
    return [
        [want for want in wants if _was_there(want, users.get(ask.user_id), joined.get(ask.user_id, {}))]
        for ask, wants in zip(asks, rest, strict=True)
    ]


def confirmed_things(user: Any, prefix: str) -> set[str]:
    """What events are about, by names that begin so, where the user has nothing left to confirm but once had."""
    mine = Receipt.objects.using(log.database()).filter(user=user.pk, about__startswith=prefix)
    confirmed = Receipt.objects.filter(event_id=OuterRef("event_id"), user=user.pk)
    anew = _wanting().filter(about=OuterRef("about")).exclude(Exists(confirmed))
    return set(mine.exclude(Exists(anew)).order_by().values_list("about", flat=True).distinct())


def want_of_row(event: Event) -> Want:
    """What of an event that wants an acknowledgement is asked for."""
    return _want(*(getattr(event, name) for name in _COLUMNS))


def load(head: log.Head) -> Wanting:
    """What wants an acknowledgement up to the head, for a process that begins there: the newest, within the bound."""
    rows = _wanting().filter(position__lte=head.position).order_by("-position")
    found = _wants(rows[: conf.WANTING_EVENTS + 1])
    begin = found.pop().position if len(found) > conf.WANTING_EVENTS else 0
    return Wanting(begin, reversed(found))


def prune() -> int:
    """Drop the receipts that need not be kept any more, and return how many went."""
    before, kept = timezone.now() - timedelta(seconds=conf.RECEIPTS_KEPT), Event.objects.filter(ack=True)
    rows = Receipt.objects.using(log.database())
    gone = rows.filter(acked_at__lt=before).exclude(event_id__in=kept.values("event_id"))
    count = 0
    while keys := list(gone.order_by("acked_at").values_list("pk", flat=True)[: conf.PRUNE_BATCH]):
        count += rows.filter(pk__in=keys).delete()[0]
    return count


def _heard(user: Any, event_ids: Collection[UUID]) -> list[Want]:
    """Those of the events that want an acknowledgement and were, and are, for this user."""
    found = _wants(Event.objects.using(log.database()).filter(event_id__in=event_ids, ack=True, expires__isnull=False))
    readable = topics.readable(user, {want.topic for want in found})
    found = [want for want in found if want.topic in readable]
    if not found:
        return []
    joined = joinings_of([str(user.pk)], min(want.position for want in found)).get(str(user.pk), {})
    return [want for want in found if _was_there(want, user, joined)]


def _was_there(want: Want, user: Any, joined: Joinings) -> bool:
    """Whether the user could read the topic when the event was written: not if they joined, or joined again, later."""
    since = None if user is None else topics.since(want.topic, user)
    return want.position > joined.get(want.topic, 0) and (since is None or want.at >= to_the_millisecond(since))


def _confirmed(asks: Sequence[Ask]) -> set[tuple[str, str]]:
    users, events = {ask.user_id for ask in asks}, {want.event_id for ask in asks for want in ask.wants}
    rows = Receipt.objects.using(log.database()).filter(user__in=users, event_id__in=events)
    return {(str(user_id), str(event_id)) for user_id, event_id in rows.values_list("user_id", "event_id")}


def _users(user_ids: Collection[str], on: Iterable[str]) -> dict[str, Any]:
    """The rows of the users, where one of the topics is none that is joined."""
    if all(":" in topic for topic in on):
        return {}
    return {str(user.pk): user for user in get_user_model()._default_manager.filter(pk__in=user_ids)}


def _between(on: Iterable[str], behind: int, upto: int) -> Any:
    return _wanting().filter(topic__in=list(on), position__gt=behind, position__lte=upto).order_by("position")


def _wanting() -> Any:
    return Event.objects.using(log.database()).wanting_an_ack()


def _wants(rows: Any) -> list[Want]:
    return [_want(*row) for row in rows.values_list(*_COLUMNS)]


def _want(position: int, topic: str, event_id: UUID, at: datetime, expires: datetime, about: str) -> Want:
    return Want(position, topic, str(event_id), to_the_millisecond(at), expires.timestamp(), about)
