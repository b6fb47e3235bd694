"""Which transport to try next: down when one fails, up again when a better one may work.

Pure: it counts what it is told and opens nothing. A transport that has worked here must fail five times before the
next is tried, one that never has only once: a proxy that refuses upgrades does so from the start. The next one being
tried is not yet a fall. Should all below fail too, it is the server that is away, and the best is asked first again.
"""

from __future__ import annotations

from dataclasses import dataclass

FAILURES = 5


@dataclass(slots=True)
class _Tally:
    failures: int = 0
    worked: bool = False


class Ladder:
    """The transports, best first, and where on them the client stands."""

    def __init__(self, rungs: tuple[str, ...]) -> None:
        self._rungs = rungs
        self._tallies = {name: _Tally() for name in rungs}
        self._at = 0  # where an attempt begins
        self._tried = 0  # how far down the present attempt has come

    @property
    def better(self) -> tuple[str, ...]:
        """The transports better than the present one, best first."""
        return self._rungs[: self._at]

    def begin(self) -> str:
        """Return what to try first in a new attempt."""
        self._tried = self._at
        return self._rungs[self._at]

    def failed(self, *, blamed: bool, steady: bool, blocked: bool) -> str | None:
        """Return what to try at once after the present transport has ended; None to wait and begin again.

        ``blamed``: it broke, rather than the server having said why; ``steady``: after it held for a while;
        ``blocked``: something on the way holds it back.
        """
        tally = self._tallies[self._rungs[self._tried]]
        if steady:
            tally.failures = 0
        if not blamed:
            return None
        tally.failures += 1
        if not blocked and tally.failures < (FAILURES if tally.worked else 1):
            return None
        self._tried += 1
        return self._rungs[self._tried] if self._tried < len(self._rungs) else None

    def stand(self, name: str) -> None:
        """The server has greeted over this transport: here we stay."""
        self._at = self._tried = self._rungs.index(name)
        self._tallies[name].worked = True
