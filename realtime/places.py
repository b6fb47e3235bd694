"""Giving outbox rows their places in the log: the statements, for whoever holds the log's head.

Separate from the log, which says when this is done and under what lock. PostgreSQL does it in one statement; elsewhere
the places are worked out here and the rows copied by the database, in a few.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

from realtime.models import Event, LogHead, Outgoing, TopicHead
from realtime.protocol.encoding import timestamp
from realtime.protocol.entry import Entry

_OUTGOING, _EVENT = Outgoing._meta.db_table, Event._meta.db_table
_TOPIC_HEAD, _LOG_HEAD = TopicHead._meta.db_table, LogHead._meta.db_table

# Rows by an array of their ids, seqs by a query of their own: joined, the planner would have the tables read whole, and
# the outbox is large while a dump keeps what was deleted from it.
_IN_ONE = f"""
WITH taken AS (
    DELETE FROM {_OUTGOING}
    WHERE id = ANY (ARRAY(SELECT id FROM {_OUTGOING} WHERE id > %s ORDER BY id LIMIT %s))
    RETURNING id, event_id, type, topics, data, timestamp, ack, expires, about
), placed AS (
    SELECT
        h.position + row_number() OVER (ORDER BY o.id, t.place) AS position,
        t.topic,
        coalesce((SELECT n.seq FROM {_TOPIC_HEAD} n WHERE n.topic = t.topic), 0)
            + row_number() OVER (PARTITION BY t.topic ORDER BY o.id, t.place) AS seq,
        o.event_id, o.type, o.data, o.timestamp, o.ack, o.expires, o.about
    FROM taken o, {_LOG_HEAD} h, unnest(string_to_array(o.topics, ' ')) WITH ORDINALITY AS t (topic, place)
    WHERE h.id = 1
), logged AS (
    INSERT INTO {_EVENT} (position, topic, seq, event_id, type, data, timestamp, ack, expires, about)
    SELECT position, topic, seq, event_id, type, data, timestamp, ack, expires, about FROM placed
), counted AS (
    INSERT INTO {_TOPIC_HEAD} (topic, seq) SELECT topic, max(seq) FROM placed GROUP BY topic
    ON CONFLICT (topic) DO UPDATE SET seq = excluded.seq
), moved AS (
    UPDATE {_LOG_HEAD} SET position = newest.position, check_bits = newest.check_bits
    FROM (
        SELECT position, ('x' || right(event_id::text, 4))::bit(16)::integer AS check_bits
        FROM placed ORDER BY position DESC LIMIT 1
    ) newest
    WHERE id = 1
)
SELECT position, topic, seq, event_id, type, data, timestamp, ack, expires, about FROM placed ORDER BY position
"""  # noqa: S608

_TAKE = (
    f"SELECT id, topics, event_id, type, data, timestamp, ack, expires, about FROM {_OUTGOING} "  # noqa: S608
    "WHERE id > %s ORDER BY id LIMIT %s"
)
_LOG = (
    f"INSERT INTO {_EVENT} (position, topic, seq, event_id, type, data, timestamp, ack, expires, about) "  # noqa: S608
    f"SELECT %s, %s, %s, event_id, type, data, timestamp, ack, expires, about FROM {_OUTGOING} WHERE id = %s"
)
_COUNT = (
    f"INSERT INTO {_TOPIC_HEAD} (topic, seq) VALUES (%s, %s) "  # noqa: S608
    "ON CONFLICT (topic) DO UPDATE SET seq = excluded.seq"
)
_LEAVE = f"DELETE FROM {_OUTGOING} WHERE id = %s"  # noqa: S608
_MOVE = f"UPDATE {_LOG_HEAD} SET position = %s, check_bits = %s WHERE id = 1"  # noqa: S608


def place(connection: BaseDatabaseWrapper, position: int, behind: int, limit: int) -> tuple[list[Entry], int]:
    """Move at most ``limit`` outbox rows behind an id into the log, after ``position``; return entries, and rows taken.

    For the holder of the head, in a statement after the one that locked it: an earlier one may see an older log.
    """
    if connection.vendor == "postgresql":
        return _in_one(connection, behind, limit)
    return _in_steps(connection, position, behind, limit)


def entry(
    position: int,
    topic: str,
    seq: int,
    id: Any,
    type: str,
    data: str,
    moment: datetime,
    ack: Any,
    expires: datetime | None,
    about: str,
) -> Entry:
    """An entry from a row's columns, whatever a database makes of an id, a time in UTC and a truth."""
    name = str(id if isinstance(id, UUID) else UUID(id))
    until = in_utc(expires).timestamp() if expires else 0.0
    return Entry(position, topic, seq, name, type, data, timestamp(in_utc(moment)), bool(ack), until, about)


def in_utc(moment: datetime) -> datetime:
    """A time as a database gave it, which may leave out that it is in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _in_one(connection: BaseDatabaseWrapper, behind: int, limit: int) -> tuple[list[Entry], int]:
    with connection.cursor() as cursor:
        cursor.execute(_IN_ONE, [behind, limit])
        entries = [entry(*row) for row in cursor.fetchall()]
    return entries, len({each.id for each in entries})


def _in_steps(connection: BaseDatabaseWrapper, position: int, behind: int, limit: int) -> tuple[list[Entry], int]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [behind, limit])
        rows = cursor.fetchall()
        if not rows:
            return [], 0
        seqs = _seqs(cursor, {topic for _, topics, *_ in rows for topic in topics.split(" ")})
        entries: list[Entry] = []
        copies: list[tuple[int, str, int, int]] = []
        for row_id, topics, *rest in rows:
            for topic in topics.split(" "):
                seqs[topic] = seqs.get(topic, 0) + 1
                position += 1
                entries.append(entry(position, topic, seqs[topic], *rest))
                copies.append((position, topic, seqs[topic], row_id))
        cursor.executemany(_LOG, copies)
        cursor.executemany(_COUNT, sorted(seqs.items()))
        cursor.executemany(_LEAVE, [row[:1] for row in rows])
        cursor.execute(_MOVE, [position, entries[-1].check])
    return entries, len(rows)


def _seqs(cursor: Any, topics: Iterable[str]) -> dict[str, int]:
    wanted = list(topics)
    marks = ", ".join(["%s"] * len(wanted))
    cursor.execute(f"SELECT topic, seq FROM {_TOPIC_HEAD} WHERE topic IN ({marks})", wanted)  # noqa: S608
    return dict(cursor.fetchall())
