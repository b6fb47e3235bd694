"""How long the client waits for what. Separate so that all of it is in one place, and tests can be impatient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All in seconds."""

    back_off: tuple[float, ...] = (2, 4, 8, 16, 32)
    """The longest wait after the first, second … failure; the last goes on. The wait is a random part of it."""
    shortest_wait: float = 0.1
    climb: tuple[float, ...] = (10, 20, 40, 80, 160, 320)
    """How long to stay on a lesser transport before a better one is tried beside it."""
    steady: float = 10
    """A line that held this long was a good one: the next failure starts the back-off anew."""
    greeting: Mapping[str, float] = field(default_factory=lambda: {"websocket": 10, "sse": 6, "polling": 20})
    """How long each transport is given until the server greets."""
    request: float = 30
    http: float = 15
    renew_before: float = 60
    """How long before its end a token is renewed, or a quarter of its life when that is shorter."""
    shortest_keep: float = 10
    """A token is never asked for sooner: this machine's clock may be far ahead of the server's."""
    shortest_poll: float = 0
    """Never asks more often than this, whatever the server advises."""

    def keep_for(self, left: float) -> float:
        """How long to keep what is good for ``left`` more seconds."""
        return left - min(self.renew_before, left / 4)
