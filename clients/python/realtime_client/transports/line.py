"""What the connection asks of a transport, and what a transport is told of the client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Self

from ..http import Http
from ..messages import Message
from ..timing import Timing
from ..token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a line needs to know. ``topics`` and ``cursor`` are asked anew whenever they are needed."""

    socket_url: str
    trust_env: bool
    http: Http
    token: Token
    timing: Timing
    topics: Callable[[], list[str]]
    cursor: Callable[[], str | None]
    random: Callable[[], float]

    def query(self, cursor: str | None) -> dict[str, str]:
        """The query of a line that names its topics and resumes."""
        query = {"topics": ",".join(self.topics()), "cursor": cursor or ""}
        return {name: value for name, value in query.items() if value}


class Line(ABC):
    """One line from when it is opened to its end. Use as an asynchronous context manager.

    Whatever ends it, on the way or by the server, is a LineEnded. To cancel ``receive`` ends the line too.
    """

    name: ClassVar[str]
    blocked_when_silent: ClassVar[bool] = False
    """Whether silence means that something on the way holds back what the server says."""
    fixed_topics: ClassVar[bool] = False
    """Whether other topics, or another token, need another line."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self.greeting: Message = {}

    @abstractmethod
    async def open(self) -> None:
        """Connect; return once the server has let it in."""

    @abstractmethod
    async def receive(self) -> Message:
        """Wait for the next message."""

    @abstractmethod
    async def send(self, command: Message) -> Message | None:
        """Send a command; return its answer where it comes this way, instead of by ``receive``."""

    @abstractmethod
    async def close(self) -> None:
        """Close it, at any time, more than once too."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
