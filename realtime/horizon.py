"""Below which outbox id nothing can appear any more.

Deleted outbox rows stay in the index while anybody holds an old snapshot (a dump), and a look from the beginning
reads them all. A look may start behind ids whose transactions have all ended: those rows have been sequenced, or
were rolled back. Starting at "the newest ids" instead would let a late commit be overtaken by what came after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from realtime.models import Outgoing

INTERVAL = 1.0  # seconds between observations; also what a backend may need from taking an id to having a transaction


class Horizon:
    """One relay's horizon on PostgreSQL. On other databases it stays at 0: deleted rows are gone there.

    It moves in three observations: note the newest id given; at least a second later, note the newest transaction;
    once all transactions up to that one have ended, a look that drains the outbox moves the horizon to the id.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = 0
        self._clock = clock
        self._next = 0.0
        self._noted: int | None = None
        self._fence: int | None = None
        self._passed = False

    def observe(self, connection: BaseDatabaseWrapper) -> None:
        """Look at the database's transactions, at most once a second; call it before reading the outbox."""
        if connection.vendor != "postgresql" or self._clock() < self._next:
            return
        self._next = self._clock() + INTERVAL
        oldest, next_one, newest_id = _transactions(connection)
        if self._noted is None:
            self._noted = newest_id
        elif self._fence is None:
            self._fence = next_one
        else:
            self._passed = oldest >= self._fence

    def advance(self, *, drained: bool) -> None:
        """Move up, if all who could still write below have ended and the look after that left nothing."""
        if self._passed and drained and self._noted is not None:
            self.id = max(self.id, self._noted)
            self._noted = self._fence = None
            self._passed = False

    def reset(self) -> None:
        """Start from the beginning again: something was found below, or the database is another."""
        self.__init__(self._clock)  # type: ignore[misc]


def _transactions(connection: BaseDatabaseWrapper) -> Any:
    table = Outgoing._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint, "
            "coalesce((SELECT max(last_value) FROM pg_sequences WHERE schemaname = current_schema() "
            "AND sequencename = %s), 0) FROM pg_current_snapshot() s",
            [f"{table}_id_seq"],
        )
        return cursor.fetchone()
