"""Database work has threads of its own, and leaves no connection behind."""

import asyncio
import threading
from contextvars import ContextVar

import pytest
from django.db import connections

from realtime import threads
from realtime.conf import conf
from realtime.threads import run_db

who = ContextVar("who", default="nobody")
pytestmark = pytest.mark.django_db(transaction=True)


async def test_work_runs_off_the_event_loop_with_the_callers_context_and_result():
    def work(a, b):
        return threading.current_thread().name.partition("_")[0], who.get(), a + b

    who.set("alice")

    assert await run_db(work, 1, 2) == ("realtime-db", "alice", 3)


async def test_an_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        await run_db(lambda: 1 // 0)


async def test_calls_run_side_by_side():
    both_inside = threading.Barrier(2, timeout=5)

    assert len(await asyncio.gather(run_db(both_inside.wait), run_db(both_inside.wait))) == 2


def query():
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")
    return connections["default"]


async def test_the_connection_is_given_back_when_the_work_is_done(monkeypatch):
    monkeypatch.setattr(threads, "FILE_KEPT", 0)

    used = await run_db(query)

    assert used.connection is None


async def test_a_file_stays_open_for_a_moment_and_no_longer(monkeypatch):
    if connections["default"].vendor != "sqlite":
        pytest.skip("a server's connections go back to their pool")
    monkeypatch.setattr(threads, "FILE_KEPT", 60)
    used = await run_db(query)
    opened = used.connection
    assert opened is not None

    threads._pool.submit(lambda: None).result()
    for _ in range(2 * conf.DB_THREADS):
        await run_db(query)
    assert used.connection is opened
    monkeypatch.setattr(threads, "FILE_KEPT", 0)
    while used.connection is not None:
        await run_db(query)
