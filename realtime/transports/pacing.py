"""When a client that polls should come back, and how often it may.

Apart from the views because whoever answers polls, here or in a host project, gives the same advice.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from realtime.conf import conf
from realtime.protocol.errors import ProtocolError
from realtime.protocol.limits import TokenBucket

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


class Polls:
    """How often each user may ask, on this process; whoever asks more often than that is refused."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, user_id: Any) -> None:
        """Count one poll. Raises ProtocolError ``rate_limited``."""
        now = self._clock()
        with self._lock:
            bucket = self._bucket(str(user_id), now)
            if bucket.take(now):
                return
            wait = math.ceil(bucket.wait(now))
        words = "Too many polls: come back after poll_interval_ms."
        raise ProtocolError("rate_limited", words, retry_after=max(1, wait), limit="USER_POLL_RATE")

    def _bucket(self, user_id: str, now: float) -> TokenBucket:
        bucket = self._buckets.pop(user_id, None) or TokenBucket(conf.USER_POLL_RATE, conf.USER_POLL_BURST, now)
        self._buckets[user_id] = bucket  # behind those who asked less lately, of whom the first go
        while len(self._buckets) > conf.RIGHTS_USERS:
            self._buckets.popitem(last=False)
        return bucket


poll_interval = Pace().interval
polls = Polls()
