"""The way out to one client through ASGI's ``send``: never waits, never reorders, never grows without bound.

Apart from the transports because each has the same three duties here, and a slow client must cost the others nothing.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from functools import partial
from typing import Any, Protocol

from realtime import limits
from realtime.conf import conf

Message = Mapping[str, Any]
Send = Callable[[Any], Awaitable[None]]


class WayOut(Protocol):
    """What a transport asks of the way to its client, whatever that is."""

    @property
    def unsent(self) -> int:
        """Bytes that were written and wait for the client."""

    def write(self, message: Any, size: int) -> None:
        """Send a message in the form of this way, ``size`` bytes long, behind all before it. Never waits."""

    def lagging(self, size: int) -> None:
        """Take note that somebody else wrote ``size`` bytes the same way, and that not all went out at once."""

    def end(self, message: Message) -> None:
        """Send the server's last message, an ASGI one, behind all that was written."""

    async def flushed(self) -> None:
        """Wait until little is unsent, or the client is given up."""

    async def finished(self) -> None:
        """Wait until nothing is unsent, or the client is given up."""

    def abandon(self) -> None:
        """Send nothing more, and forget what waits."""


class Outlet:
    """Writes ASGI messages in order. ``on_fault`` is called once: True for a slow client, False for one that left."""

    __slots__ = (
        "_fault",
        "_loop",
        "_low",
        "_on_fault",
        "_send",
        "_stuck",
        "_task",
        "_unsent",
        "_waiting",
    )

    def __init__(self, send: Send, on_fault: Callable[[bool], None]) -> None:
        self._send = send
        self._on_fault = on_fault
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Message, int]] | None = None  # made for who lets us wait: it is not small
        self._unsent = 0
        self._task: asyncio.Task[None] | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._low: asyncio.Event | None = None  # made for whoever waits: most clients never let anyone
        self._fault = False

    @property
    def unsent(self) -> int:
        """Bytes that wait here, behind what the server is busy with."""
        return self._unsent

    @property
    def is_sending(self) -> bool:
        """Whether the server has not yet taken all that was written."""
        return self._task is not None

    def write(self, message: Message, size: int) -> None:
        """Send now what the server takes at once; keep the rest, ``size`` bytes of it, in order behind what waits.

        Takes the first step of ``send`` directly: a task is made only for a client that lets us wait.
        """
        if self._fault:
            return
        if self._task is not None:
            self._wait(message, size)
            return
        sending = _coroutine(self._send(message))
        try:
            awaited = sending.send(None)
        except StopIteration:
            return
        except Exception:  # servers have no common error for a client that left
            self._fail(slow=False)
            return
        self._stuck = self._loop.call_later(conf.UNSENT_SECONDS, self._fail_stuck)
        self._task = self._loop.create_task(self._go_on(sending, awaited))

    def lagging(self, size: int) -> None:
        """Nobody else writes here."""

    def end(self, message: Message) -> None:
        """Send the last message, behind all that was written."""
        self.write(message, 0)

    async def flushed(self) -> None:
        """Wait until at most half of the bound is unsent, or the client is given up."""
        while self._unsent > conf.UNSENT_BYTES // 2 and not self._fault:
            self._low = self._low or asyncio.Event()
            self._low.clear()
            await self._low.wait()

    async def finished(self) -> None:
        """Wait until everything is sent, or the client is given up."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def abandon(self) -> None:
        """Send nothing more, and forget what waits."""
        self._fault = True
        self._waiting = None
        self._wake()
        if self._stuck is not None:
            self._stuck.cancel()
        if self._task is not None:
            self._task.cancel()

    def _wait(self, message: Message, size: int) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((message, size))
        self._unsent += size
        # One message alone says nothing about the client: a snapshot may be as large as it likes.
        if self._unsent > conf.UNSENT_BYTES and len(self._waiting) > 1:
            limits.reached("UNSENT_BYTES")
            self._fail(slow=True)

    async def _go_on(self, sending: Coroutine[Any, Any, None], awaited: Any) -> None:
        try:
            await _resumed(sending, awaited)
            while self._waiting:
                self._rearm()
                message, size = self._waiting.popleft()
                self._unsent -= size
                if self._unsent <= conf.UNSENT_BYTES // 2:
                    self._wake()
                await self._send(message)
        except asyncio.CancelledError:
            raise
        except Exception:
            self._fail(slow=False)
        finally:
            self._task = None
            if self._stuck is not None:
                self._stuck.cancel()
                self._stuck = None

    def _rearm(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
        self._stuck = self._loop.call_later(conf.UNSENT_SECONDS, self._fail_stuck)

    def _wake(self) -> None:
        if self._low is not None:
            self._low.set()

    def _fail_stuck(self) -> None:
        limits.reached("UNSENT_SECONDS")
        self._fail(slow=True)

    def _fail(self, slow: bool) -> None:
        if not self._fault:
            self.abandon()
            self._on_fault(slow)


def _coroutine(awaitable: Awaitable[None]) -> Coroutine[Any, Any, None]:
    """Return what can be taken step by step: not every server's ``send`` is a coroutine function, granian's is Rust."""

    async def awaited() -> None:
        await awaitable

    return awaitable if isinstance(awaitable, Coroutine) else awaited()


@types.coroutine
def _resumed(sending: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Finish a coroutine whose first step has been taken and now waits for ``awaited``."""
    while True:
        try:
            value = yield awaited
        except BaseException as error:
            step = partial(sending.throw, error)
        else:
            step = partial(sending.send, value)
        try:
            awaited = step()
        except StopIteration:
            return
