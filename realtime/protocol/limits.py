"""How much a client may do, and when it should come back.

Pure: time and chance are passed in, so that transports share the arithmetic and tests need no clock.
"""

from __future__ import annotations

import math


class TokenBucket:
    """Allows ``burst`` takes at once and ``rate`` per second in the long run. For one connection, in memory.

    ``now`` is any clock's seconds; a clock that goes backwards refills nothing.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        if not (rate > 0 and burst >= 1):
            raise ValueError("a bucket needs a rate above 0 and room for at least 1")
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Take ``cost`` tokens if they are there; otherwise take none and return False."""
        self._refill(now)
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True

    def wait(self, now: float, cost: float = 1.0) -> float:
        """Seconds until ``take`` would succeed; infinite when ``cost`` is more than the bucket ever holds."""
        self._refill(now)
        if cost > self._burst:
            return math.inf
        return max(0.0, (cost - self._tokens) / self._rate)

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now


def reconnect_after(clients: int, *, per_second: float, chance: float, at_least: float = 1.0) -> float:
    """Seconds after which one of ``clients`` that are sent away together should come back.

    With ``chance`` drawn evenly from [0, 1) for each, they return at about ``per_second``, not as one storm.
    """
    return at_least + chance * clients / per_second
