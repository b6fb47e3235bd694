"""When the token of a line is to be renewed, so that a program that goes on for long is never shut out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from .timing import Timing


class Renewal:
    """Calls ``renew`` before what the server has said is the end, by the server's own clock."""

    def __init__(self, renew: Callable[[], None], timing: Timing) -> None:
        self._renew = renew
        self._timing = timing
        self._timer: asyncio.TimerHandle | None = None

    def plan(self, expires_at: str | None, server_time: str | None) -> None:
        """The line is good until ``expires_at``; None is for ever."""
        self.cancel()
        if expires_at is None:
            return
        end = datetime.fromisoformat(expires_at)
        now = datetime.fromisoformat(server_time) if server_time else datetime.now(end.tzinfo)
        left = self._timing.keep_for((end - now).total_seconds())
        self._timer = asyncio.get_running_loop().call_later(max(0.0, left), self._renew)

    def cancel(self) -> None:
        """Forget it: the line is gone."""
        if self._timer is not None:
            self._timer.cancel()
