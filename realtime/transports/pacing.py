"""When a client that polls should come back.

Apart from the views because whoever answers polls, here or in a host project, gives the same advice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from realtime.conf import conf

SLOWEST = 60_000  # milliseconds: advised to nobody is more than a minute


class Pace:
    """Counts this process's polls over about a second, and stretches the advice when they are too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since = clock()
        self._count = 0
        self._rate = 0.0

    def interval(self, *, moving: bool) -> int:
        """Milliseconds until the next poll: short while things move, longer when quiet, longer still under load."""
        interval = conf.POLL_INTERVAL if moving else conf.POLL_INTERVAL_QUIET
        load = self._polls_per_second() / conf.POLL_RATE
        return int(min(interval * max(1.0, load), max(SLOWEST, interval)))

    def _polls_per_second(self) -> float:
        with self._lock:
            self._count += 1
            elapsed = self._clock() - self._since
            if elapsed >= 1.0:
                self._rate = self._count / elapsed
                self._since, self._count = self._clock(), 0
            return max(self._rate, float(self._count))


poll_interval = Pace().interval
