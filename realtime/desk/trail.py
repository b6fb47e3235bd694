"""The way of one event, from the row it tells of to each who has confirmed it, as the tables have it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from realtime import log
from realtime.conf import conf
from realtime.desk.news import named_in
from realtime.models import Event, Outgoing, Receipt
from realtime.protocol.entry import CONTROL_PREFIX

MOST_EVENTS = 20  # that one search shows
MOST_RECEIPTS = 100  # of one event
# An event's id bears the time at which it was made; its row the time of the last word, in the same transaction.
BEFORE, AFTER = timedelta(seconds=5), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands on one topic."""

    topic: str
    position: int | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """All that is known of one event."""

    event_id: UUID
    type: str
    data: str
    published: datetime
    sequenced: datetime | None
    ack: bool
    expires: datetime | None
    places: list[Place] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def waits(self) -> bool:
        """Whether it is still in the outbox."""
        return all(place.position is None for place in self.places)

    @property
    def took(self) -> int | None:
        """Milliseconds from publishing to its place; None while it waits, or where that was not noted."""
        if self.sequenced is None:
            return None
        return max(0, round((self.sequenced - self.published) / timedelta(milliseconds=1)))


def find(text: str) -> list[Trail]:
    """The events that a position, an event's id or the id of a row means, newest first; at most ``MOST_EVENTS``.

    By a row's id, the newest ``TRAIL_SPAN`` entries of the log are searched, and the outbox.
    """
    wanted = text.strip()
    if wanted.isdecimal() and len(wanted) < 19:
        return _trails(_log().filter(position=int(wanted)))
    try:
        name = UUID(wanted)
    except ValueError:
        return []
    return _by_event(name) or _by_row(name)


def _by_event(name: UUID) -> list[Trail]:
    made = datetime.fromtimestamp((name.int >> 80) / 1000, UTC) if name.version == 7 else None
    logged = _log().filter(event_id=name)
    if made is not None:  # an index has the time; none has the id of every event
        logged = logged.filter(timestamp__range=(made - BEFORE, made + AFTER))
    return _trails(logged, _outbox().filter(event_id=name))


def _by_row(name: UUID) -> list[Trail]:
    head = log.head().position
    newest = _log().filter(position__gt=head - conf.TRAIL_SPAN, data__contains=str(name))
    return _trails(newest, _outbox().filter(data__contains=str(name)))


def _trails(logged: QuerySet[Event], waiting: QuerySet[Outgoing] | None = None) -> list[Trail]:
    """Put the entries of each event together. An event stands once on each of its topics, in neighbouring places."""
    found: dict[UUID, Trail] = {}
    for outgoing in () if waiting is None else waiting.order_by("-id")[:MOST_EVENTS]:
        places = [Place(topic) for topic in outgoing.topics.split(" ")]
        found[outgoing.event_id] = _trail(outgoing, None, places)
    ids = list(logged.order_by("-position").values_list("event_id", "timestamp")[: 2 * MOST_EVENTS])
    for event in _whole(ids):
        if event.event_id not in found and len(found) < MOST_EVENTS:
            found[event.event_id] = _trail(event, event.sequenced_at, [])
        if event.event_id in found:
            found[event.event_id].places.insert(0, Place(event.topic, event.position, event.seq))
    _confirm(found)
    return list(found.values())


def _whole(ids: Iterable[tuple[UUID, datetime]]) -> Iterable[Event]:
    """All entries of these events, newest first: of an event that was found on one topic, the other topics too."""
    known = dict(ids)
    if not known:
        return ()
    rows = _log().filter(event_id__in=known, timestamp__range=(min(known.values()), max(known.values())))
    return rows.order_by("-position")[: 10 * MOST_EVENTS]


def _trail(row: Event | Outgoing, sequenced: datetime | None, places: list[Place]) -> Trail:
    data: dict[str, Any] = json.loads(row.data)
    return Trail(
        event_id=row.event_id,
        type=row.type,
        data=json.dumps(data, indent=2, ensure_ascii=False),
        published=row.timestamp,
        sequenced=sequenced,
        ack=row.ack,
        expires=row.expires,
        places=places,
        rows=named_in(row.type, data),
    )


def _confirm(found: dict[UUID, Trail]) -> None:
    wanted = [trail.event_id for trail in found.values() if trail.ack]
    receipts = Receipt.objects.using(log.database()).filter(event_id__in=wanted).select_related("user")
    for receipt in receipts.order_by("acked_at")[: MOST_RECEIPTS * MOST_EVENTS]:
        if len(found[receipt.event_id].receipts) < MOST_RECEIPTS:
            found[receipt.event_id].receipts.append(receipt)


def _log() -> QuerySet[Event]:
    return Event.objects.using(log.database()).exclude(topic__startswith=CONTROL_PREFIX)


def _outbox() -> QuerySet[Outgoing]:
    return Outgoing.objects.using(log.database()).exclude(topics__startswith=CONTROL_PREFIX)
