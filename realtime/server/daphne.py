"""The same short way out under Daphne, which has none: so that ``runserver`` and a Daphne deployment have it too.

``install()`` is called when the app is ready, where Daphne is what serves; ``REALTIME = {"DAPHNE_WIRE": False}`` leaves
Daphne as it is. It hooks the method that makes the scope, and the one that closes: Daphne's own refuses most codes of
the RFC, 1009 and 1012 among them, and drops reasons. What breaks the RFC, or is larger than Daphne takes, is answered
with a close, where Daphne would cut the client off without a word. All else asks Twisted's transport how things stand.
Twisted holds a client back in neither direction, so that ``unsent`` is all that stands between a slow client and the
memory of the process.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.abstract import FileDescriptor

from realtime.protocol.websocket import close_frame

NORMAL = 1000
HEADER_AND_CODE = 4  # bytes of a close frame before its reason
LOOK_AGAIN = 0.02  # seconds; Twisted tells nobody but a producer when it has sent all, and the HTTP channel is that


class DaphneWire:
    """What ``realtime.server.wire.Wire`` promises, on Daphne's WebSocket protocol and Twisted's transport."""

    __slots__ = ("_on_drained", "_protocol", "_transport")

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._on_drained: Callable[[], None] | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing can be written yet, or any more."""
        return bool(self._protocol.state != self._protocol.STATE_OPEN)

    @property
    def unsent(self) -> int:
        """Bytes taken and not yet with the kernel. Under TLS, what waits above the encryption is not counted."""
        if self.closed:
            return 0
        below = self._transport
        while not isinstance(below, FileDescriptor):  # TLS wraps it
            below = below.transport
        return len(below.dataBuffer) - below.offset + below._tempDataLen

    def write(self, data: bytes) -> None:
        """Send whole frames, behind all that was sent before. Never waits, never raises; ignored once closed."""
        transport = self._transport
        if self.closed:
            return
        if not isinstance(transport, FileDescriptor) or self.unsent:
            transport.write(data)
            return
        try:
            taken = os.write(transport.fileno(), data)  # type: ignore[no-untyped-call]
        except BlockingIOError:
            taken = 0
        except OSError:  # the client is gone, and Twisted is about to notice
            self._protocol.dropConnection(abort=True)
            return
        if taken < len(data):
            transport.write(data[taken:])

    def drained(self, callback: Callable[[], None] | None) -> None:
        """Call back once, soon after nothing is unsent any more, or the connection is lost; None forgets it."""
        is_looking = self._on_drained is not None
        self._on_drained = callback
        if callback is not None and not is_looking:
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        if self._on_drained is None:
            return
        if self.unsent:
            asyncio.get_running_loop().call_later(LOOK_AGAIN, self._look)
            return
        callback, self._on_drained = self._on_drained, None
        callback()


def install() -> None:
    """Have Daphne offer ``realtime.wire`` in the scope of each WebSocket, and close as it is told. Harmless twice."""
    create, reply = Server.create_application, WebSocketProtocol.handle_reply
    if hasattr(create, "__wrapped__"):
        return

    @wraps(create)
    def create_with_wire(self: Any, protocol: Any, scope: dict[str, Any]) -> Any:
        if scope["type"] == "websocket":
            protocol.failByDrop = False
            scope.setdefault("extensions", {})["realtime.wire"] = DaphneWire(protocol)
        return create(self, protocol, scope)

    @wraps(reply)
    def reply_with_any_code(self: Any, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.close" and self.state == self.STATE_OPEN:
            code = message.get("code") or NORMAL
            reason = close_frame(code, message.get("reason") or "")[HEADER_AND_CODE:]
            self.sendCloseFrame(code=code, reasonUtf8=reason)
        else:
            reply(self, message)

    Server.create_application = create_with_wire
    WebSocketProtocol.handle_reply = reply_with_any_code
