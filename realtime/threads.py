"""Database work off the event loop, on a few threads of its own.

Separate because asgiref runs all ``thread_sensitive`` work of a process on one thread: there, one slow query
of a view would hold up every login and every read of the log.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar, TypeVarTuple

from django.db import close_old_connections

from realtime.conf import conf

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
    close_old_connections()
    try:
        return func(*args)
    finally:
        close_old_connections()


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
