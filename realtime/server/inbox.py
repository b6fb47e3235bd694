"""What a client has said and its application has not yet taken: a bounded number of messages, and the last one.

Separate because waiting for it is all that an idle connection does: one coroutine deep, one future, no queue; or,
where the application rests, nothing at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Message = Mapping[str, Any]


class Sleeper(Protocol):
    """Whoever is to be woken by the next message."""

    def wake(self) -> None:
        """Take note that there is one. Called once."""


class Inbox:
    """Messages for the application, at most ``size``, and in the end the one that says that there are no more."""

    __slots__ = ("_is_over", "_messages", "_size", "_sleeper", "_waiter", "when_taken")

    def __init__(self, size: int) -> None:
        self._size = size
        self._messages: list[Message] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._sleeper: Sleeper | None = None
        self._is_over = False
        self.when_taken: Callable[[], None] | None = None
        """Called once, when the application has next taken a message."""

    @property
    def has_room(self) -> bool:
        """Whether another message may be put."""
        return self._messages is None or len(self._messages) < self._size

    def put(self, message: Message) -> None:
        """Give the application a message. Ignored after the end."""
        if self._is_over:
            return
        if self._messages is None:
            self._messages = [message]
        else:
            self._messages.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self._sleeper is not None:
            sleeper, self._sleeper = self._sleeper, None
            sleeper.wake()

    def end(self, message: Message) -> None:
        """Give the application its last message, whether there is room or not. Only the first one counts."""
        self.put(message)
        self._is_over = True

    def rest(self, sleeper: Sleeper) -> bool:
        """Have the next message wake somebody, instead of a task that waits for it; False if there is one already.

        Raises RuntimeError where nothing would come any more.
        """
        if self._messages is None and self._is_over:
            raise RuntimeError("rest() was called after websocket.disconnect")
        if self._messages is not None:
            return False
        self._sleeper = sleeper
        return True

    async def receive(self) -> Message:
        """Return the next message, waiting for it.

        Raises RuntimeError where that would be for ever: after the last, or while another task waits.
        """
        while self._messages is None:
            if self._is_over:
                raise RuntimeError("receive() was called after websocket.disconnect")
            if self._waiter is not None:
                raise RuntimeError("receive() was called while another task waits in it")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._messages.pop(0)
        if not self._messages:
            self._messages = None
        if self.when_taken is not None:
            taken, self.when_taken = self.when_taken, None
            taken()
        return message
