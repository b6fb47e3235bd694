"""What the benchmark asks of every server: to run, to take clients, and to tell all of them something."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import ClassVar, Self

from bench.load.generator import Load
from bench.load.pool import SOCKET
from bench.load.wire import text_frame, websocket_request
from bench.program import Program
from tests.live import free_port

EVENT = 512
"""Bytes of an event as it goes over the wire, envelope and all: about what the product's own have."""


class Missing(Exception):
    """A server that this machine does not have, and how to get it."""


class Server(ABC):
    """A server under load. Use as a context manager; ``name`` is what the report calls it."""

    name: ClassVar[str]
    kind: ClassVar[int] = SOCKET
    greetings: ClassVar[int] = 0  # frames that a client gets before it counts as connected
    hello: ClassVar[bytes] = b""  # what it says after the first of them
    most_events: ClassVar[int] = 1000  # that are worth waiting for, of a slow one
    envelope: ClassVar[int] = 0  # bytes that the server adds to a message
    overload: ClassVar[int] = 0  # events that it takes back to back without losing any; 0: it is not asked

    program: Program

    def __init__(self) -> None:
        self.port = free_port()

    @abstractmethod
    def start(self) -> Program:
        """Start it. Raises Missing."""

    @abstractmethod
    def version(self) -> str:
        """What it is, with its version."""

    def requests(self, count: int) -> list[bytes]:
        """The handshakes of so many more clients."""
        return [websocket_request("/")] * count

    def publish(self, load: Load, marks: Sequence[int]) -> dict[int, float]:
        """Tell everybody these events, one after the other; return when each was published.

        Unless a server has a better way, its first client says it, as in a chat.
        """
        frames = [text_frame(self.message(mark)) for mark in marks]
        return dict(zip(marks, load.send(0, frames), strict=True))

    def publish_at_once(self, load: Load, marks: Sequence[int]) -> dict[int, float]:
        """Tell everybody all of these events, as fast as they can be told."""
        return self.publish(load, marks)

    def message(self, mark: int) -> bytes:
        """The event with this mark."""
        return f"#{mark:08d} ".ljust(EVENT - self.envelope, "x").encode()

    def __enter__(self) -> Self:
        self.program = self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.stop()
