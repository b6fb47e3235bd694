"""The short way out to one client: whole frames, handed to the kernel at once where it takes them.

It is what an application finds in ``scope["extensions"]["realtime.wire"]``. All of it happens in the event loop's
thread. Separate so that the order of bytes is kept in one place:

- A descriptor is written to directly only while nothing waits in the transport, or that would be overtaken. The
  transport's limits are set to zero, so ``pause_writing`` says exactly when something waits.
- Under TLS everything goes through the transport.
- The descriptor is forgotten the moment the connection is lost: the kernel gives its number to the next client.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

NO_DESCRIPTOR = -1


class Wire:
    """The way out to one client. ``closed``: nothing can be written yet, or any more."""

    __slots__ = ("_descriptor", "_direct", "_held", "_on_drained", "_transport", "closed")

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self.closed = True
        self._descriptor = NO_DESCRIPTOR
        self._direct = NO_DESCRIPTOR  # the descriptor while it may be written to
        self._held = b""  # goes out together with what is written next, or by itself a moment later
        self._on_drained: Callable[[], None] | None = None

    def write(self, data: bytes) -> None:
        """Send whole frames, behind all that was sent before. Never waits, never raises; ignored once closed."""
        descriptor = self._direct
        rest: bytes | memoryview = data
        if descriptor >= 0:
            try:
                taken = os.write(descriptor, data)
            except BlockingIOError:
                taken = 0
            except OSError:  # the client is gone, and connection_lost will say so
                self._transport.abort()
                return
            if taken == len(data):
                return
            if taken:
                rest = memoryview(data)[taken:]  # many clients may wait for a part of the same bytes
        elif self.closed:
            return
        elif self._held:
            held, self._held = self._held, b""
            self._be_direct()
            self.write(held + data)
            return
        self._transport.write(rest)

    @property
    def unsent(self) -> int:
        """Bytes taken and not yet with the kernel. Under TLS, what waits below the encryption is not counted."""
        return 0 if self._direct >= 0 or self.closed else self._transport.get_write_buffer_size()

    def drained(self, callback: Callable[[], None] | None) -> None:
        """Call back once, as soon as nothing is unsent, or the connection is lost; None forgets it.

        Never calls back before it returns, even if nothing is unsent now.
        """
        self._on_drained = callback
        if callback is not None and not self.unsent:
            asyncio.get_running_loop().call_soon(self._tell_drained)

    def _tell_drained(self) -> None:
        callback = self._on_drained
        if callback is not None and not self.unsent:
            self._on_drained = None
            callback()

    # For the server

    def attach(self, transport: asyncio.Transport) -> None:
        """Take over the transport's limits, and its descriptor where that may be used."""
        self._transport = transport
        transport.set_write_buffer_limits(high=0)
        socket: Any = transport.get_extra_info("socket")
        if socket is not None and transport.get_extra_info("sslcontext") is None:
            self._descriptor = socket.fileno()

    def open(self, first: bytes = b"") -> None:
        """Let it be written to. The ``first`` bytes go out with what is written in this turn of the loop, or alone."""
        self.closed = False
        if first:
            self._held = first
            asyncio.get_running_loop().call_soon(self._release)
        else:
            self._be_direct()

    def _release(self) -> None:
        if self._held and not self.closed:
            self.write(b"")

    def _be_direct(self) -> None:
        if not self._transport.get_write_buffer_size():
            self._direct = self._descriptor

    def shut(self) -> None:
        """Let nothing more be written; what was, is still sent."""
        self._release()
        self.closed = True
        self._direct = NO_DESCRIPTOR

    def lost(self) -> None:
        """Forget the connection, in the step in which it is lost."""
        self._held = b""
        self.shut()
        self._descriptor = NO_DESCRIPTOR
        self._tell_drained()

    def pause_writing(self) -> None:
        """Note that something waits in the transport."""
        self._direct = NO_DESCRIPTOR

    def resume_writing(self) -> None:
        """Note that nothing waits any more."""
        if not self.closed and not self._held:
            self._direct = self._descriptor
        self._tell_drained()
