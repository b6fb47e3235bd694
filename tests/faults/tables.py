"""What the tables hold, read by SQL alone: a witness that shares no code with what wrote them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg

from tests.faults.history import Control, Entry, Row

CONTROL = "control:"
CONNECT_SECONDS = 5


class Place(NamedTuple):
    """Where the log stands: its newest position, and each topic's newest seq."""

    position: int
    seqs: dict[str, int]


class Tables:
    """The tables at an address as ``DATABASE_URL`` takes it. Each question is a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_sqlite = url.startswith("sqlite")

    def place(self) -> Place:
        """Where the log stands, while nobody writes."""
        heads = self._ask("SELECT position FROM realtime_loghead")
        seqs = self._ask("SELECT topic, seq FROM realtime_topichead")
        return Place(heads[0][0] if heads else 0, dict(seqs))

    def waiting(self) -> int:
        """How many committed events have no place yet."""
        count: int = self._ask("SELECT count(*) FROM realtime_outgoing")[0][0]
        return count

    def log(self, after: int) -> tuple[list[Entry], list[Control]]:
        """The log behind a position: events, and control entries."""
        columns = "position, topic, seq, event_id, type, data"
        rows = self._ask(f"SELECT {columns} FROM realtime_event WHERE position > {int(after)} ORDER BY position")
        entries = [_entry(*row) for row in rows if not row[1].startswith(CONTROL)]
        return entries, [_control(row[0], row[1], row[5]) for row in rows if row[1].startswith(CONTROL)]

    def rows(self, prefix: str, topics: dict[str, list[str]]) -> list[Row]:
        """The transactions marked so. ``topics`` are those of each account, by its id."""
        found = self._ask(
            f"SELECT id, version, description, account_id FROM ledger_transaction WHERE description LIKE '{prefix}-%'"
        )
        return [Row(_uuid(pk), version, mark, tuple(topics[_uuid(account)])) for pk, version, mark, account in found]

    def connections(self) -> int:
        """How many connections the database has beside this one; 0 where there are none to count."""
        if self._is_sqlite:
            return 0
        count: int = self._ask("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")[0][0]
        return count - 1

    def _ask(self, query: str) -> Sequence[tuple[Any, ...]]:
        if self._is_sqlite:
            with closing(sqlite3.connect(urlsplit(self._url).path, timeout=20)) as lite:
                return lite.execute(query).fetchall()
        with psycopg.connect(**address_of(self._url), connect_timeout=CONNECT_SECONDS, autocommit=True) as connection:
            return connection.execute(query).fetchall()


def address_of(url: str) -> dict[str, str]:
    """The parts of the address of a cluster of ours, which is a directory, as psycopg takes them."""
    user, _, rest = url.removeprefix("postgresql://").partition("@/")
    host, _, name = rest.rpartition("/")
    return {"user": user, "host": host, "dbname": name}


def _entry(position: int, topic: str, seq: int, id: Any, type: str, text: str) -> Entry:
    data = json.loads(text)
    if type == "TransactionUpdate":
        inner = data["data"]
        told = (data["transaction_id"], data["action"], inner["version"], inner["description"])
        return Entry(position, topic, seq, _uuid(id), type, *told)
    if type == "AccountBalanceUpdate":
        return Entry(position, topic, seq, _uuid(id), type, data["account_id"], "", data["version"])
    return Entry(position, topic, seq, _uuid(id), type)


def _control(position: int, topic: str, text: str) -> Control:
    data = json.loads(text)
    user = topic.removeprefix(CONTROL)
    return Control(position, user, tuple(data.get("gained", ())), tuple(data.get("lost", ())))


def _uuid(value: Any) -> str:
    """SQLite keeps no hyphens."""
    text = str(value)
    return text if "-" in text else "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
