"""The log: the one order of events. All queries on it stand here, and nowhere else.

Positions are given in a transaction of their own, under the lock of one row, so they become visible in order:
whoever reads ``position > n`` never misses a late commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections, router, transaction
from django.db.models import Min, Q, QuerySet
from django.utils import timezone

from realtime.conf import conf
from realtime.models import Event, LogHead, Outgoing, TopicHead, new_epoch_name
from realtime.protocol.cursor import Cursor
from realtime.protocol.encoding import timestamp
from realtime.protocol.entry import CONTROL_PREFIX, SESSIONS_ENDED, Batch, Entry
from realtime.protocol.subscriber import Reason
from realtime.topics import Topic

if TYPE_CHECKING:
    from realtime.horizon import Horizon


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends and begins, and which history it is."""

    epoch: str
    position: int
    check: int
    floor: int

    @property
    def cursor(self) -> Cursor:
        """The place just after the newest entry."""
        return Cursor(self.epoch, self.position, self.check)


class Page(NamedTuple):
    """Entries in order, and the head as it stood after they were read: a floor risen meanwhile shows."""

    entries: list[Entry]
    head: Head


class AnotherHistory(Exception):
    """The log is not, or no longer, the one that was being followed: a restore, a new epoch, or pruned past us."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def database() -> str:
    """Alias of the database that holds outbox and log."""
    return router.db_for_write(Outgoing) if conf.DATABASE == "default" else conf.DATABASE


def head() -> Head:
    """The log's head now. One query."""
    row = LogHead.objects.using(database()).filter(pk=1).first() or _first_head()
    return _as_head(row)


def present_cursor(using: str | None = None) -> str:
    """The present place, for a snapshot: read it before the rows, so that what it lacks comes after it."""
    return head().cursor.encode()


def heads(topics: Iterable[str]) -> tuple[Head, dict[str, int]]:
    """The head and each topic's newest seq there. A topic without events has 0."""
    wanted = list(topics)
    # One statement, so one snapshot: the seqs are exactly those at the position.
    sql = (
        f"SELECT h.epoch, h.position, h.check_bits, h.floor, t.topic, t.seq FROM {LogHead._meta.db_table} h "  # noqa: S608
        f"LEFT JOIN {TopicHead._meta.db_table} t ON t.topic IN ({', '.join(['%s'] * len(wanted)) or 'NULL'}) "
        "WHERE h.id = 1"
    )
    with connections[database()].cursor() as cursor:
        cursor.execute(sql, wanted)
        rows = cursor.fetchall()
    if not rows:
        _first_head()  # not its answer: by now somebody else may have begun the log and filled it
        return heads(wanted)
    seqs = {topic: seq for *_, topic, seq in rows}
    return Head(*rows[0][:4]), {topic: seqs.get(topic, 0) for topic in wanted}


def read(after: int, *, upto: int | None = None, topics: Iterable[str] | None = None, limit: int | None = None) -> Page:
    """Entries behind position ``after``, at most ``limit`` (one page by default), all topics or the given ones.

    The caller compares ``page.head.floor`` with where it started: above, entries may be missing.
    """
    rows = Event.objects.using(database()).filter(position__gt=after)
    if upto is not None:
        rows = rows.filter(position__lte=upto)
    if topics is not None:
        rows = rows.filter(topic__in=list(topics))
    entries = _entries(rows, limit or conf.PAGE)
    return Page(entries, head())


def place_of(topic: str, after: int) -> int | None:
    """A position behind which a topic's first entry is the one after seq ``after``; None where that is not kept."""
    rows = Event.objects.using(database()).filter(topic=topic, seq=after + 1).values_list("position", flat=True)
    position = rows.first()
    return None if position is None else position - 1


def follow(after: int, check: int, epoch: str) -> Page:
    """What came behind a follower's place. Raises AnotherHistory when the log is not the one it followed.

    At rest this is one query; otherwise the entry at the place is read along, to be known again.
    """
    now = head()
    if now.epoch != epoch or now.position < after or (now.position == after and now.check != check):
        raise AnotherHistory("epoch")
    if now.position == after:
        return Page([], now)
    # One more than a page: the first is the entry at the place, if there is one.
    entries = _entries(Event.objects.using(database()).filter(position__gte=max(after, 1)), conf.PAGE + 1)
    now = head()
    if now.epoch != epoch:
        raise AnotherHistory("epoch")
    if now.floor > after:
        raise AnotherHistory("trimmed")
    if after == 0:
        return Page(entries, now)
    if not entries or entries[0].position != after or entries[0].check != check:
        raise AnotherHistory("epoch")
    return Page(entries[1:], now)


def control_entries(user_id: object, after: int) -> list[Entry]:
    """The control entries about one user behind a position, in order."""
    rows = Event.objects.using(database()).filter(topic=f"{CONTROL_PREFIX}{user_id}", position__gt=after)
    return [_entry(row) for row in rows.order_by("position")]


def control_waits(user_id: object) -> bool:
    """Whether a control entry about the user is committed and has no place yet."""
    rows = Outgoing.objects.using(database()).filter(
        topics=f"{CONTROL_PREFIX}{user_id}",
        topics__startswith=CONTROL_PREFIX,  # names the index, which does not grow under a dump as the table does
    )
    return rows.exists()


def sessions_ended(after: int) -> set[str]:
    """The users some of whose sessions ended behind a position."""
    rows = Event.objects.using(database()).filter(type=SESSIONS_ENDED, topic__startswith=CONTROL_PREFIX)
    topics = rows.filter(position__gt=after).order_by().values_list("topic", flat=True).distinct()
    return {topic.removeprefix(CONTROL_PREFIX) for topic in topics}


def seqs_before(places: Mapping[Topic, int]) -> dict[str, int]:
    """For each topic with entries behind its place: the newest seq up to there."""
    behind = Q()
    for topic, position in places.items():
        behind |= Q(topic=topic, position__gt=position)
    if not behind:
        return {}
    rows = Event.objects.using(database()).filter(behind).order_by().values_list("topic").annotate(Min("seq"))
    return {topic: first - 1 for topic, first in rows}


def check_at(position: int) -> int | None:
    """The check bits of the entry at a place; 0 before the first entry, None where nothing is kept."""
    if position == 0:
        return 0
    ids = Event.objects.using(database()).filter(position=position).values_list("event_id", flat=True)
    found = ids.first()
    return None if found is None else found.int & 0xFFFF


def waiting(behind: int = 0) -> int | None:
    """The oldest outbox id behind the given one, or None when nothing waits there. Takes no lock."""
    rows = Outgoing.objects.using(database()).filter(pk__gt=behind).order_by("pk")
    return rows.values_list("pk", flat=True).first()


def sequence(horizon: Horizon | None = None, limit: int | None = None) -> Batch | None:
    """Move committed outbox rows into the log, in id order, and give each its places; None when nothing waited.

    Runs a short transaction of its own under the lock of the log's head. Whoever comes second finds nothing to do.
    Raises the database's error when the lock is not to be had within ``HEAD_TIMEOUT``.
    """
    using = database()
    limit = limit or conf.SEQUENCE_BATCH
    with transaction.atomic(using=using, durable=True):
        _bound_waiting(using)
        log_head = _locked_head(using)
        if horizon is not None:
            horizon.observe(connections[using])
        rows = list(Outgoing.objects.using(using).filter(pk__gt=horizon.id if horizon else 0).order_by("pk")[:limit])
        batch = _place(log_head, rows, using) if rows else None
    if horizon is not None:
        horizon.advance(drained=len(rows) < limit)
    return batch


def prune(before: datetime) -> int:
    """Drop events older than ``before`` and return how many went. Acknowledged delivery keeps its own until expiry.

    The floor rises in a commit of its own before anything goes, so a replay under way sees it and resets.
    """
    using = database()
    old = (
        Event.objects.using(using).filter(timestamp__lt=before).order_by("-position").values_list("position", flat=True)
    )
    with transaction.atomic(using=using, durable=True):
        log_head = _locked_head(using)
        # Times come from many clocks: only what lies below every younger entry goes.
        young = Event.objects.using(using).filter(timestamp__gte=before).order_by("position")
        first_young = young.values_list("position", flat=True).first()
        floor = min(first_young - 1 if first_young else log_head.position, old.first() or 0)
        if floor <= log_head.floor:
            return 0
        log_head.floor = floor
        log_head.save(using=using, update_fields=["floor"])
    return _delete_below(floor, using)


def new_epoch() -> str:
    """Begin another history, after a restore that took committed events away: every cursor becomes a Reset."""
    using = database()
    with transaction.atomic(using=using, durable=True):
        log_head = _locked_head(using)
        log_head.epoch = new_epoch_name()
        log_head.save(using=using, update_fields=["epoch"])
    return log_head.epoch


def _place(log_head: LogHead, rows: Sequence[Outgoing], using: str) -> Batch:
    topics = {topic for row in rows for topic in row.topics.split(" ")}
    seqs = dict(TopicHead.objects.using(using).filter(topic__in=topics).values_list("topic", "seq"))
    first = log_head.position + 1
    events: list[Event] = []
    for row in rows:
        for topic in row.topics.split(" "):
            seqs[topic] = seqs.get(topic, 0) + 1
            events.append(_event(row, topic, position=first + len(events), seq=seqs[topic]))
    Event.objects.using(using).bulk_create(events)
    TopicHead.objects.using(using).bulk_create(
        [TopicHead(topic=topic, seq=seq) for topic, seq in sorted(seqs.items())],
        update_conflicts=True,
        unique_fields=["topic"],
        update_fields=["seq"],
    )
    Outgoing.objects.using(using).filter(pk__in=[row.pk for row in rows]).delete()
    log_head.position, log_head.check_bits = events[-1].position, events[-1].event_id.int & 0xFFFF
    log_head.save(using=using, update_fields=["position", "check_bits"])
    return Batch(log_head.epoch, first, log_head.position, [_entry(event) for event in events])


def _event(row: Outgoing, topic: str, *, position: int, seq: int) -> Event:
    return Event(
        position=position,
        topic=topic,
        seq=seq,
        event_id=row.event_id,
        type=row.type,
        data=row.data,
        timestamp=row.timestamp,
        ack=row.ack,
        expires=row.expires,
    )


def _entry(row: Event) -> Entry:
    return Entry(
        row.position,
        row.topic,
        row.seq,
        str(row.event_id),
        row.type,
        row.data,
        timestamp(row.timestamp),
        row.ack,
    )


def _entries(rows: QuerySet[Event], limit: int) -> list[Entry]:
    return [_entry(row) for row in rows.order_by("position")[:limit]]


def _as_head(row: LogHead) -> Head:
    return Head(row.epoch, row.position, row.check_bits, row.floor)


def _first_head() -> LogHead:
    """The head of a log that has none yet. Two that make it at once get the same one."""
    row, _ = LogHead.objects.using(database()).get_or_create(pk=1)
    return row


def _locked_head(using: str) -> LogHead:
    """The head, held until the transaction ends. Where there is none yet, the one that comes second waits too."""
    rows = LogHead.objects.using(using).select_for_update().filter(pk=1)
    if (row := rows.first()) is None:
        _first_head()  # somebody else's, perhaps: read, but not held
        row = rows.get()
    return row


def _bound_waiting(using: str) -> None:
    """Neither wait long for the head nor be able to keep it: a frozen holder is cut off by the server."""
    connection: Any = connections[using]
    if connection.vendor != "postgresql":
        return
    milliseconds = str(int(conf.HEAD_TIMEOUT * 1000))
    with connection.cursor() as cursor:
        if connection.isolation_level.name != "READ_COMMITTED":
            # Whoever waits for the head must see what its last holder did, not what was there before.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('idle_in_transaction_session_timeout', %s, true)",
            [milliseconds, milliseconds],
        )


def _delete_below(floor: int, using: str) -> int:
    # The entry at the floor itself stays: cursors that stand there are checked against it.
    unconfirmed = Q(ack=True) & (Q(expires=None) | Q(expires__gt=timezone.now()))
    gone = Event.objects.using(using).filter(position__lt=floor).exclude(unconfirmed)
    count = 0
    while keys := list(gone.order_by("position").values_list("position", flat=True)[: conf.PRUNE_BATCH]):
        count += Event.objects.using(using).filter(position__in=keys).delete()[0]
    return count
