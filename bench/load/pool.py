"""What a pool of client connections can do, whichever language reads the sockets.

``native`` is the fast one; ``plain`` takes its place where there is no C compiler.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

SOCKET, STREAM = 0, 1
EVER = 2**63
PING = '"Ping"'  # what a heartbeat of the product holds, and other servers never send
PONG = b'{"command":"Pong"}'


class Counters(NamedTuple):
    """What has happened to a pool's connections so far. ``failed`` ones never opened, ``closed`` ones had."""

    opened: int = 0
    failed: int = 0
    closed: int = 0
    frames: int = 0
    bytes: int = 0
    marks: int = 0
    lost_records: int = 0
    pings: int = 0


@dataclass(frozen=True)
class Records:
    """Every mark that came: when, on which connection, which. In the order in which they came."""

    at: array[float]
    connection: array[int]
    mark: array[int]


class Pool(Protocol):
    """Connections to one server, by number."""

    def add(self, request: bytes, *, kind: int = SOCKET, greetings: int = 0) -> int:
        """Add a connection that is open once its handshake is answered and ``greetings`` frames have come."""

    def run(self, seconds: float, *, marks: int = EVER, opening: bool = False, at_once: int = 64) -> None:
        """Open what was added and read: for so long, or until ``marks`` have come in all, or all is open that opens."""

    def send(self, connection: int, data: bytes) -> bool:
        """Write to a connection."""

    def cut(self, first: int, last: int) -> None:
        """Break connections off."""

    def counters(self) -> Counters:
        """What happened so far."""

    def records(self) -> Records:
        """The marks that came since ``forget()``."""

    def forget(self) -> None:
        """Empty the records."""

    def opened(self) -> list[tuple[float, float]]:
        """When each open connection was begun, and when it was open, on the monotonic clock."""

    def cursor(self, connection: int) -> str:
        """The newest cursor of a connection."""

    def complaint(self) -> str:
        """What the first connection that failed was told."""

    def close(self) -> None:
        """Close everything."""


Factory = Callable[..., Pool]
"""(port, *, room, records, hello, cursors): a pool for ``room`` connections and that many records."""
