"""Giving outbox rows their places in the log: the statements, for whoever holds the log's head.

Separate from the log, which says when this is done and under what lock. PostgreSQL does it in one statement; on SQLite
the places are worked out here and the rows copied by the database, in a few.
"""

from __future__ import annotations

import json
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
# Many rows in a statement, as JSON: between two statements the interpreter may be lost to another thread for a while,
# and all that time nobody else could write to the database.
_LOG = f"""
INSERT INTO {_EVENT} (position, topic, seq, event_id, type, data, timestamp, ack, expires, about)
SELECT json_extract(j.value, '$[0]'), json_extract(j.value, '$[1]'), json_extract(j.value, '$[2]'),
    o.event_id, o.type, o.data, o.timestamp, o.ack, o.expires, o.about
FROM json_each(%s) j CROSS JOIN {_OUTGOING} o ON o.id = json_extract(j.value, '$[3]')
"""  # noqa: S608
_COUNT = (
    f"INSERT INTO {_TOPIC_HEAD} (topic, seq) SELECT key, value FROM json_each(%s) "  # noqa: S608
    "WHERE true ON CONFLICT (topic) DO UPDATE SET seq = excluded.seq"
)
_LEAVE = f"DELETE FROM {_OUTGOING} WHERE id IN (SELECT value FROM json_each(%s))"  # noqa: S608
_MOVE = f"UPDATE {_LOG_HEAD} SET position = %s, check_bits = %s WHERE id = 1"  # noqa: S608
_SEQS = f"SELECT topic, seq FROM {_TOPIC_HEAD} WHERE topic IN (SELECT value FROM json_each(%s))"  # noqa: S608

Row = tuple[Any, ...]  # the columns of an entry, in order


def place(connection: BaseDatabaseWrapper, position: int, behind: int, limit: int) -> tuple[list[Row], int]:
    """Move at most ``limit`` outbox rows behind an id into the log, after ``position``; return its rows, and how many.

    For the holder of the head, in a statement after the one that locked it: an earlier one may see an older log. Make
    ``entries`` of what is returned when nobody waits for the head any more.
    """
    if connection.vendor == "postgresql":
        return _in_one(connection, behind, limit)
    return _in_steps(connection, position, behind, limit)


def entries(rows: Iterable[Row]) -> list[Entry]:
    """Entries from rows of the log, whatever a database makes of an id, a time in UTC and a truth."""
    made: list[Entry] = []
    event_id: Any = None
    for position, topic, seq, id, type, data, moment, ack, expires, about in rows:
        if id != event_id:  # else it is the same event on its next topic
            event_id, name, stamp = id, str(id if isinstance(id, UUID) else UUID(id)), timestamp(in_utc(moment))
            until = in_utc(expires).timestamp() if expires else 0.0
        made.append(Entry(position, topic, seq, name, type, data, stamp, bool(ack), until, about))
    return made


def in_utc(moment: datetime) -> datetime:
    """A time as a database gave it, which may leave out that it is in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _in_one(connection: BaseDatabaseWrapper, behind: int, limit: int) -> tuple[list[Row], int]:
    with connection.cursor() as cursor:
        cursor.execute(_IN_ONE, [behind, limit])
        rows = cursor.fetchall()
    return rows, len({row[3] for row in rows})


def _in_steps(connection: BaseDatabaseWrapper, position: int, behind: int, limit: int) -> tuple[list[Row], int]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [behind, limit])
        waiting = cursor.fetchall()
        if not waiting:
            return [], 0
        cursor.execute(_SEQS, [json.dumps(list({topic for _, topics, *_ in waiting for topic in topics.split(" ")}))])
        seqs = dict(cursor.fetchall())
        rows: list[Row] = []
        copies: list[tuple[int, str, int, int]] = []
        for row_id, topics, *rest in waiting:
            for topic in topics.split(" "):
                seqs[topic] = seqs.get(topic, 0) + 1
                position += 1
                rows.append((position, topic, seqs[topic], *rest))
                copies.append((position, topic, seqs[topic], row_id))
        cursor.execute(_LOG, [json.dumps(copies)])
        cursor.execute(_COUNT, [json.dumps(seqs)])
        cursor.execute(_LEAVE, [json.dumps([row_id for row_id, *_ in waiting])])
        cursor.execute(_MOVE, [position, int(str(rest[0])[-4:], 16)])  # as Entry.check, of the last one
    return rows, len(waiting)
