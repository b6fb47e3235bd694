"""The way out to one client past ASGI's ``send``, where a server offers it: framed bytes, straight to the transport.

The same duties as ``Outlet`` has, done another way: here the server holds what is unsent, and says how much that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime import limits
from realtime.conf import conf
from realtime.heart import Heart
from realtime.members import Wire
from realtime.transports.outlet import Message, Outlet, Send


class WireOutlet:
    """Writes framed bytes in order. ``on_fault`` is called once, for a slow client.

    A fan-out writes to the wire itself and tells of it in ``lagging`` where not all went out at once. Whoever has
    nothing unsent costs nothing: no queue, no timer.
    """

    __slots__ = ("_fault", "_given", "_heart", "_low", "_on_fault", "_send", "_since", "_spared", "_taken", "_wire")

    def __init__(self, wire: Wire, send: Send, on_fault: Callable[[bool], None], heart: Heart) -> None:
        self._wire = wire
        self._send = send
        self._on_fault = on_fault
        self._heart = heart
        self._given = 0  # bytes, since something is unsent; of these the kernel has taken ...
        self._taken = 0  # ... so many, the last of them ...
        self._since: float | None = None  # ... then; None while nothing is unsent
        self._spared = 0  # bytes of the largest of its own messages that waits: one says nothing about the client
        self._low: asyncio.Event | None = None  # made for whoever waits: most clients never let anyone
        self._fault = False

    @property
    def unsent(self) -> int:
        """Bytes that the server holds for the client."""
        return self._wire.unsent

    def write(self, message: bytes, size: int) -> None:
        """Send framed bytes. A snapshot may be as large as it likes: one message alone says nothing of the client."""
        if self._fault:
            return
        self._wire.write(message)
        if self._wire.unsent:
            if size > conf.UNSENT_BYTES // 4:
                self._spared = max(self._spared, size)
            self.lagging(size)

    def lagging(self, size: int) -> None:
        """Take note that ``size`` bytes were written and something is unsent."""
        unsent = self._wire.unsent
        if self._since is None:
            self._given, self._taken, self._since = unsent, 0, asyncio.get_running_loop().time()
            self._heart.watch(self)
            self._wire.drained(self._drained)
        else:
            self._given += size
        if unsent > conf.UNSENT_BYTES + self._spared:
            self._fail("UNSENT_BYTES")

    def look(self, now: float) -> None:
        """Give up a client whose kernel has taken nothing for too long."""
        taken = self._given - self._wire.unsent
        if taken != self._taken or self._since is None:
            self._taken, self._since = taken, now
        elif now - self._since >= conf.UNSENT_SECONDS:
            self._fail("UNSENT_SECONDS")

    async def flushed(self) -> None:
        """Wait until at most half of the bound is unsent, or the client is given up."""
        if self._wire.unsent > conf.UNSENT_BYTES // 2:
            await self.finished()

    async def finished(self) -> None:
        """Wait until everything is sent, or the client is given up."""
        while self._wire.unsent and not self._wire.closed and not self._fault:
            self._low = self._low or asyncio.Event()
            self._low.clear()
            await self._low.wait()

    def end(self, message: Message) -> None:
        """Send the server's own last message, behind all that was written."""
        if not self._fault:
            Outlet(self._send, self._on_fault).write(message, 0)

    def abandon(self) -> None:
        """Send nothing more, and wait for nothing."""
        self._fault = True
        self._wire.drained(None)
        self._drained()

    def _drained(self) -> None:
        self._since, self._spared = None, 0
        self._heart.forget(self)
        if self._low is not None:
            self._low.set()

    def _fail(self, limit: str) -> None:
        if not self._fault:
            limits.reached(limit)
            self.abandon()
            self._on_fault(True)
