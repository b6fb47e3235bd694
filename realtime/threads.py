"""Database work off the event loop, on a few threads of its own.

Separate because asgiref runs all ``thread_sensitive`` work of a process on one thread: there, one slow query
of a view would hold up every login and every read of the log.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar, TypeVarTuple

from django.db import connections

from realtime.conf import conf

FILE_KEPT = 1.0  # seconds

T = TypeVar("T")
Args = TypeVarTuple("Args")

_pool: ThreadPoolExecutor | None = None
_opening = threading.Lock()


async def run_db(func: Callable[[*Args], T], *args: *Args) -> T:
    """Run ``func`` on one of the process's ``DB_THREADS`` threads, with no connection older than this call.

    Cancelling the caller does not stop the query. How many callers may wait is bounded by the limits on
    connections and requests, not here: a read of the log must not be refused because of a rush of logins.
    """
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads(), context.run, partial(_with_own_connection, func, *args))


def _with_own_connection(func: Callable[[*Args], T], *args: *Args) -> T:
    # Before: a connection that broke while idle. After: give it back, before the server runs out of them.
    _close_old_connections()
    try:
        return func(*args)
    finally:
        _close_old_connections()


def _close_old_connections() -> None:
    """As Django does between two requests, but for a file that was opened a moment ago: many ask in close order."""
    for connection in connections.all(initialized_only=True):
        opened = connection.close_at if connection.settings_dict["CONN_MAX_AGE"] == 0 else None
        is_young = opened is not None and time.monotonic() - opened < FILE_KEPT
        if connection.vendor != "sqlite" or not is_young or connection.errors_occurred or connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _opening:
        if _pool is None:
            _pool = ThreadPoolExecutor(conf.DB_THREADS, thread_name_prefix="realtime-db")
        return _pool


def _forget_threads() -> None:
    """Start over in a forked child: threads do not survive a fork, and its lock may have been held."""
    global _pool, _opening
    _pool, _opening = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_threads)
