"""Rows of the outbox, as the transaction that writes them may write them anew before it commits.

Apart from publishing, which says what is to be told and to whom: here are the statements, and what they cost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from uuid_utils.compat import uuid7

from realtime.conf import conf
from realtime.models import Outgoing
from realtime.protocol.encoding import encode_data
from realtime.topics import Topic

Data = Mapping[str, Any]

_INSERT = (
    f"INSERT INTO {Outgoing._meta.db_table} (event_id, type, topics, data, timestamp, ack, expires, about) "  # noqa: S608
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
)
_ID: Any = Outgoing._meta.get_field("event_id")
_TIME: Any = Outgoing._meta.get_field("timestamp")


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing to be told, before it is known in which rows."""

    type: str
    data: Data
    ack: bool
    expires: datetime | None
    about: str
    merge: Callable[[Data, Data], Data] | None

    def after(self, row: Outgoing) -> Telling:
        """This event as it stands for those who would have been told of ``row`` before."""
        if self.merge is None or row.type != self.type:
            return self
        return replace(self, data=self.merge(json.loads(row.data), self.data))

    def write(self, row: Outgoing) -> None:
        """Have the row tell this instead, as of now."""
        row.type, row.data = self.type, self.text()
        row.ack, row.about, row.timestamp = self.ack, self.about, timezone.now()
        row.expires = self.until(row.timestamp)

    def text(self) -> str:
        """The data as it is stored. Raises TypeError or ValueError for what JSON cannot hold."""
        return encode_data(self.data).decode()

    def until(self, now: datetime) -> datetime | None:
        """When it expires, told at ``now``; None where it waits for nobody and was given no end."""
        if self.ack and self.expires is None:  # nothing is kept for ever
            return now + timedelta(seconds=conf.ACK_LIFETIME)
        return self.expires


def insert(connection: BaseDatabaseWrapper, event: Telling, topics: Iterable[Topic]) -> tuple[int, UUID]:
    """Insert a row; return its number and the event's id.

    By a statement of our own: every save comes this way, and the ORM would be most of what it costs.
    """
    event_id, now = uuid7(), timezone.now()
    until = event.until(now)
    values = [
        _ID.get_db_prep_save(event_id, connection),
        event.type,
        " ".join(topics),
        event.text(),
        _TIME.get_db_prep_save(now, connection),
        bool(event.ack),
        until and _TIME.get_db_prep_save(until, connection),
        event.about,
    ]
    with connection.cursor() as cursor:
        if connection.features.can_return_columns_from_insert:
            cursor.execute(f"{_INSERT} RETURNING id", values)
            (number,) = cursor.fetchone()
        else:
            cursor.execute(_INSERT, values)
            number = connection.ops.last_insert_id(cursor, Outgoing._meta.db_table, "id")
    return number, event_id


def supersede(
    connection: BaseDatabaseWrapper, earlier: dict[int, UUID], event: Telling, topics: tuple[Topic, ...]
) -> list[tuple[Telling, list[Topic]]]:
    """Let the event take the place of earlier ones, topic by topic; return what still needs a row, and for whom."""
    rest = dict.fromkeys(topics)
    apart: list[tuple[Telling, list[Topic]]] = []
    for row in written(connection, earlier):
        theirs = row.topics.split(" ")
        common = [topic for topic in topics if topic in theirs]
        if not common:
            continue
        said = event.after(row)
        if len(common) == len(theirs) == len(topics):
            said.write(row)
            row.save(force_update=True)
            return []
        _withdraw(row, common)
        if said.data != event.data:  # to these the transaction means something else than to the rest
            apart.append((said, common))
            rest = {topic: None for topic in rest if topic not in common}
    return [*apart, (event, list(rest))] if rest else apart


def written(connection: BaseDatabaseWrapper, names: dict[int, UUID]) -> Iterable[Outgoing]:
    """The rows of these names that are there. A rollback may have taken some."""
    if not names:
        return ()
    # By both: SQLite gives a rolled-back row's number to the next one, maybe another process's.
    rows = Outgoing.objects.using(connection.alias).filter(pk__in=list(names), event_id__in=list(names.values()))
    return rows.order_by("pk")


def _withdraw(row: Outgoing, topics: Collection[Topic]) -> None:
    """Let a row be told on these topics no more."""
    rest = [topic for topic in row.topics.split(" ") if topic not in topics]
    if rest:
        row.topics = " ".join(rest)
        row.save(force_update=True)
    else:
        row.delete()
