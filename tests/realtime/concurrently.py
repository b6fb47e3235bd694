"""Several things at the same time, on database connections of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

from django.db import connection, connections, transaction

from config.services.waiting import wait_until

PATIENCE = 30.0


def all_at_once(works: Iterable[Callable[[], Any]]) -> list[Any]:
    """Do each in a thread of its own and return what they returned, in their order."""
    works = list(works)
    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(_with_own_connection, works))


@contextmanager
def beside(work: Callable[[], Any]) -> Any:
    """Do ``work`` in a thread while the block runs; yield its future."""
    with ThreadPoolExecutor(1) as pool:
        future: Future[Any] = pool.submit(_with_own_connection, work)
        yield future


def answered_after(change: Callable[[], Any], ask: Callable[[], Any], *, waits: bool = True) -> Any:
    """What ``ask`` returns that comes while ``change`` is not yet committed. PostgreSQL only.

    It has to wait for that commit, or, where ``waits`` is False, may end before.
    """
    begun = Event()
    with beside(lambda: begun.wait(PATIENCE) and ask()) as asked:
        with transaction.atomic():
            change()
            begun.set()
            wait_until(
                lambda: somebody_waits() or (not waits and asked.done()), PATIENCE, lambda: "nobody came to wait"
            )
        return asked.result(PATIENCE)


def met_the_wrong_way_round(first: Callable[[], Any], then: Callable[[], Any], ask: Callable[[], Any]) -> Any:
    """What ``ask`` returns, whose transaction the database ends as it and another wait for each other.

    The other does ``first`` before, and ``then`` once somebody waits for it. PostgreSQL only.
    """
    begun = Event()
    with beside(lambda: begun.wait(PATIENCE) and ask()) as asked:
        with transaction.atomic():
            with connection.cursor() as cursor:
                # The database ends who first finds that all wait for each other: this one is not to be it.
                cursor.execute(
                    "SELECT set_config('deadlock_timeout', '10s', true) WHERE current_setting('is_superuser') = 'on'"
                )
            first()
            begun.set()
            until_somebody_waits_for_a_lock()
            then()
        return asked.result(PATIENCE)


def until_somebody_waits_for_a_lock() -> None:
    """Return once a connection to the test database is held up by another. PostgreSQL only."""
    wait_until(somebody_waits, PATIENCE, lambda: "nobody came to wait for a lock")


def somebody_waits() -> bool:
    """Whether a connection to the test database is held up by another. PostgreSQL only."""
    return how_many_wait() > 0


def how_many_wait() -> int:
    """How many connections to the test database are held up by others. PostgreSQL only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # within a transaction it would show the first look again
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def _with_own_connection(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connections.close_all()
