"""Counts the queries of a whole process: every thread's, every connection's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.backends.utils import CursorWrapper

LOOK = "SELECT epoch, position, check_bits, floor FROM realtime_loghead"
"""How a follower at rest looks at the log: of no client's doing, at a moment of its own."""

RELAY = "realtime-relay"
"""The thread that looks at the outbox, of nobody's doing either: it may wait for a tick since before the test."""


@contextmanager
def counted_queries(*, looks: bool = False) -> Iterator[list[str]]:
    """All statements that run meanwhile, whoever runs them; those that wait for a tick only with ``looks``."""
    queries: list[str] = []
    lock = threading.Lock()
    execute = CursorWrapper._execute_with_wrappers  # type: ignore[attr-defined]

    def count(self: Any, sql: str, params: Any, many: bool, executor: Any) -> Any:
        if looks or not (sql.startswith(LOOK) or threading.current_thread().name == RELAY):
            with lock:
                queries.append(sql)
        return execute(self, sql, params, many, executor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CursorWrapper, "_execute_with_wrappers", count)
        yield queries
