"""The log: the one order of events. What is asked of it, what it is given, and the lock of its head stand here.

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

from realtime.conf import conf
from realtime.models import Event, LogHead, Outgoing, TopicHead, new_epoch_name
from realtime.places import entries, place
from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Batch, Entry
from realtime.protocol.subscriber import Reason
from realtime.topics import Topic

if TYPE_CHECKING:
    from realtime.horizon import Horizon


ENTRY = ("position", "topic", "seq", "event_id", "type", "data", "timestamp", "ack", "expires", "about")
"""The columns that an entry is made of, in order."""

# By hand: they are asked at every wake-up and tick, and the ORM would take longer than the database.
_HEAD = f"SELECT epoch, position, check_bits, floor FROM {LogHead._meta.db_table} WHERE id = 1"  # noqa: S608
_OLDEST = f"SELECT id FROM {Outgoing._meta.db_table} WHERE id > %s ORDER BY id LIMIT 1"  # noqa: S608


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
    using = database()
    return _asked(using) or _first_head(using)


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
        _first_head(database())  # not its answer: by now somebody else may have begun the log and filled it
        return heads(wanted)
    seqs = {topic: seq for *_, topic, seq in rows}
    return Head(*rows[0][:4]), {topic: seqs.get(topic, 0) for topic in wanted}


def read(
    after: int,
    *,
    upto: int | None = None,
    topics: Iterable[str] | None = None,
    types: Iterable[str] | None = None,
    limit: int | None = None,
) -> Page:
    """Entries behind position ``after``, at most ``limit`` (one page by default), all or of given topics and types.

    The caller compares ``page.head.floor`` with where it started: above, entries may be missing.
    """
    rows = Event.objects.using(database()).filter(position__gt=after)
    if upto is not None:
        rows = rows.filter(position__lte=upto)
    if topics is not None:
        rows = rows.filter(topic__in=list(topics))
    if types is not None:
        rows = rows.filter(type__in=list(types))
    entries = entries_of(rows, limit or conf.PAGE)
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
    entries = entries_of(Event.objects.using(database()).filter(position__gte=max(after, 1)), conf.PAGE + 1)
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


def behind(after: int, check: int, entries: Iterable[Entry]) -> list[Entry]:
    """What of a page stands behind a place. Raises AnotherHistory where another entry than its own stands there."""
    fresh: list[Entry] = []
    for entry in entries:
        if entry.position > after:
            fresh.append(entry)
        elif entry.position == after and entry.check != check:
            raise AnotherHistory("epoch")
    return fresh


def entries_of(rows: QuerySet[Event], limit: int | None = None) -> list[Entry]:
    """Rows of the log as entries, in order."""
    return entries(rows.values_list(*ENTRY).order_by("position")[:limit])


def entries_at(positions: Iterable[int]) -> list[Entry]:
    """The entries at these places, in order, as far as they are kept."""
    return entries_of(Event.objects.using(database()).filter(position__in=list(positions)))


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
    with connections[database()].cursor() as cursor:
        cursor.execute(_OLDEST, [behind])
        row = cursor.fetchone()
    return row[0] if row else None


def waiting_since() -> datetime | None:
    """When the oldest event of the outbox was published; None when nothing waits."""
    times = Outgoing.objects.using(database()).order_by("id").values_list("timestamp", flat=True)
    return times.first()


def sequence(horizon: Horizon | None = None, limit: int | None = None) -> Batch | None:
    """Move committed outbox rows into the log, in id order, and give each its places; None when nothing waited.

    Runs a short transaction of its own under the lock of the log's head. Whoever comes second finds nothing to do.
    Raises the database's error when the lock is not to be had within ``HEAD_TIMEOUT``.
    """
    using = database()
    limit = limit or conf.SEQUENCE_BATCH
    with transaction.atomic(using=using, durable=True):
        now = locked_head(using, bounded=True)
        if horizon is not None:
            horizon.observe(connections[using])
        rows, taken = place(connections[using], now.position, horizon.id if horizon else 0, limit)
    if horizon is not None:
        horizon.advance(drained=taken < limit)
    return Batch(now.epoch, rows[0][0], rows[-1][0], entries(rows), now.check) if rows else None


def locked_head(using: str, *, bounded: bool = False) -> Head:
    """The head, held until the transaction ends; ``bounded``, it is neither waited for nor kept beyond HEAD_TIMEOUT.

    Where there is none yet, the one that comes second waits too.
    """
    lock = " FOR UPDATE" if connections[using].features.has_select_for_update else ""
    before = _bounds(using) if bounded else ()
    if (found := _asked(using, lock=lock, before=before)) is None:
        _first_head(using)  # somebody else's, perhaps: read, but not held
        found = _asked(using, lock=lock)
    assert found is not None
    return found


def new_epoch() -> str:
    """Begin another history, after a restore that took committed events away: every cursor becomes a Reset."""
    using, name = database(), new_epoch_name()
    with transaction.atomic(using=using, durable=True):
        locked_head(using)
        LogHead.objects.using(using).filter(pk=1).update(epoch=name)
    return name


def _asked(using: str, *, lock: str = "", before: Sequence[str] = ()) -> Head | None:
    """The head as the database has it, after the statements ``before``: sent along, they cost no round trip."""
    with connections[using].cursor() as cursor:
        cursor.execute("; ".join([*before, _HEAD + lock]))
        for _ in before:
            cursor.nextset()
        row = cursor.fetchone()
    return Head(*row) if row else None


def _first_head(using: str) -> Head:
    """The head of a log that has none yet. Two that make it at once get the same one."""
    row, _ = LogHead.objects.using(using).get_or_create(pk=1)
    return Head(row.epoch, row.position, row.check_bits, row.floor)


def _bounds(using: str) -> list[str]:
    """Neither wait long for the head nor be able to keep it: a frozen holder is cut off by the server."""
    connection: Any = connections[using]
    if connection.vendor != "postgresql":
        return []
    milliseconds = int(conf.HEAD_TIMEOUT * 1000)
    bounds = [
        f"SET LOCAL lock_timeout = {milliseconds}",
        f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds}",
        # Compiling the statement that gives places would take many times as long as running it.
        "SET LOCAL jit = off",
        # Rows are found by their ids. Of a table that is emptied all the time the planner knows too little to see that
        # this is quicker, and under a dump it would read all rows that passed through.
        "SET LOCAL enable_seqscan = off",
    ]
    if connection.isolation_level.name != "READ_COMMITTED":
        # Whoever waits for the head must see what its last holder did, not what was there before.
        bounds.insert(0, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    return bounds
