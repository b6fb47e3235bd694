"""The ends of a connection: reading that pauses, writing that others wait for, and closing that does not take for ever.

Separate from the protocol class, which knows what is read and written.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum

from uvicorn.config import Config

from realtime.server.limits import limits
from realtime.server.wire import Wire


class State(IntEnum):
    """Where a connection stands."""

    READING = 0  # the request is not whole
    ASKING = 1  # the application has not answered it
    OPEN = 2
    CLOSING = 3  # a close or a refusal is sent
    LOST = 4


class Connection(Wire):
    """One connection, from the hand-over to the loss."""

    __slots__ = ("_config", "_is_reading", "_limits", "_loop", "_state", "_timer", "_writable")

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._config = config
        self._loop = loop
        self._limits = limits()
        self._state = State.READING
        self._is_reading = True
        self._timer: asyncio.TimerHandle | None = None
        self._writable: asyncio.Event | None = None  # made for whoever waits: most clients never let anyone

    def pause_reading(self) -> None:
        """Take nothing more from the client for now. It is not noticed either when it leaves."""
        if self._is_reading and not self._transport.is_closing():
            self._is_reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on taking what the client sends."""
        if not self._is_reading and not self._transport.is_closing():
            self._is_reading = True
            self._transport.resume_reading()

    @property
    def is_stuck(self) -> bool:
        """Whether the client leaves so much unread that it should be sent no more for now."""
        if self._state is State.LOST:
            return False
        return self._direct < 0 and self._transport.get_write_buffer_size() > self._limits.SEND_BYTES

    async def writable(self) -> None:
        """Wait until nothing is unsent, or nothing more may be sent."""
        if self._writable is None:
            self._writable = asyncio.Event()
        await self._writable.wait()

    def let_go(self) -> None:
        """Wake whoever waits to write."""
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    def begin_closing(self) -> None:
        """Let nothing more be written, and give the client a bounded time to take what was and to close as well."""
        self._state = State.CLOSING
        self.shut()
        self.set_timer(self._limits.CLOSE_TIMEOUT)
        self.let_go()

    def finish(self, data: bytes) -> None:
        """Send the last bytes, and close once they are sent."""
        self.begin_closing()
        if data:
            self._transport.write(data)
        self._transport.close()

    def hang_up(self, data: bytes) -> None:
        """Send the last bytes to a client that may still be sending: to close at once would destroy them."""
        self.begin_closing()
        if data:
            self._transport.write(data)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def set_timer(self, seconds: float) -> None:
        """End the connection after that time, whatever it waits for."""
        self.cancel_timer()
        self._timer = self._loop.call_later(seconds, self._transport.abort)

    def cancel_timer(self) -> None:
        """Forget the timer, if there is one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def lost(self) -> None:
        """Forget the connection, and wake everybody who waits for it, in the step in which it is lost."""
        self._state = State.LOST
        self.cancel_timer()
        self.let_go()
        super().lost()
