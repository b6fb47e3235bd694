"""How often one user may ask, by scope.

Separate because the counter must never be the reason why a request fails: with its cache gone it lets through.
"""

from __future__ import annotations

import logging
from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

logger = logging.getLogger(__name__)


class ScopedThrottle(ScopedRateThrottle):
    """At most the scope's rate (``DEFAULT_THROTTLE_RATES``) in each window, per user.

    A view names ``throttle_scope``; for requests that change something ``throttle_scope_write`` when it has one.
    Counts windows, not single requests: two cache calls whatever the rate. Around a window's edge up to twice the
    rate can pass.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        self.scope = _scope(request, view)
        if self.scope is None:
            return True
        rate = self.get_rate()
        self.num_requests, self.duration = self.parse_rate(rate)
        if self.num_requests is None or self.duration is None:
            return True
        self.now = self.timer()
        window = int(self.now // self.duration)
        key = f"{self.get_cache_key(request, view)}:{window}"
        return self._count(key, self.duration) <= self.num_requests

    def wait(self) -> float | None:
        if not self.duration:
            return None
        return self.duration - self.now % self.duration

    def _count(self, key: str, seconds: int) -> int:
        try:
            self.cache.add(key, 0, timeout=2 * seconds)
            return int(self.cache.incr(key))
        # Whatever the cache raises, and a key evicted in between (ValueError): a limit is not worth an outage.
        except Exception:
            logger.warning("throttle counter unavailable, letting the request through", exc_info=True)
            return 0


def _scope(request: Request, view: Any) -> str | None:
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        return getattr(view, "throttle_scope_write", None) or getattr(view, "throttle_scope", None)
    return getattr(view, "throttle_scope", None)
