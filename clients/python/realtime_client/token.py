"""The access token: asked for once, kept, and renewed before it expires."""

from __future__ import annotations

import base64
import inspect
import json
import math
import time
from collections.abc import Awaitable, Callable

from .errors import NO_CREDENTIAL, RealtimeError
from .timing import Timing

GetToken = Callable[[bool], "str | Awaitable[str | None] | None"]
"""Gives the access token, a fresh one when it is called with True."""


class Token:
    """Where there is none, as with a ticket in the address, nothing is sent."""

    def __init__(self, get_token: GetToken | None, timing: Timing, clock: Callable[[], float] = time.time) -> None:
        self._get_token = get_token
        self._timing = timing
        self._clock = clock
        self._value: str | None = None
        self._renew_at = 0.0
        self._spoilt = False

    @property
    def used(self) -> bool:
        """Whether there are tokens at all."""
        return self._get_token is not None

    def spoil(self) -> None:
        """The next one that is asked for must be a fresh one."""
        self._spoilt = True

    async def headers(self) -> dict[str, str]:
        """Return the header of a request. Raises RealtimeError when there is no token to give."""
        value = await self.get()
        return {"Authorization": f"Bearer {value}"} if value else {}

    async def get(self) -> str | None:
        """Return the token. Raises RealtimeError when there is none to give."""
        now = self._clock()
        if self._get_token is None or (self._value and not self._spoilt and now < self._renew_at):
            return self._value
        given = self._get_token(self._value is not None)
        value = await given if inspect.isawaitable(given) else given
        if not value:
            raise RealtimeError("unauthenticated", "there is no token to give", close_code=NO_CREDENTIAL)
        life = self._timing.keep_for(_expiry(value) - now)
        self._renew_at = now + max(self._timing.shortest_keep, life)
        self._value, self._spoilt = value, False
        return value


def _expiry(token: str) -> float:
    """What a token says of its own end; never, where it says nothing."""
    try:
        body = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return math.inf
