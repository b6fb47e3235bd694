"""One client over WebSocket: the handshake, commands, heartbeat and the close codes, whatever topics it is for.

What a client may be sent is decided by the subscriber state; here it is only said in WebSocket's words.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, cast

from channels.consumer import AsyncConsumer

from realtime import limits
from realtime.conf import conf
from realtime.handshake import query_of, request_of
from realtime.members import Receive, RestingWire
from realtime.protocol import messages
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Frame
from realtime.protocol.limits import TokenBucket
from realtime.protocol.websocket import binary_frame, text_frame
from realtime.resume import Wanted
from realtime.transports.commands import handle
from realtime.transports.connection import Connection
from realtime.transports.outlet import Outlet
from realtime.transports.query import cursor_in
from realtime.transports.wire import WireOutlet

TEXT = "realtime.v1"
MSGPACK = "realtime.v1.msgpack"
CLOSE_GRACE = 5.0  # seconds a client is given to answer a close before its task is ended


class RealtimeConsumer(Connection, AsyncConsumer):
    """What the consumers share: the handshake, commands, heartbeat and the close codes."""

    __slots__ = (
        "_bucket",
        "_may_rest",
        "base_send",
        "binary",
        "heard",
        "next_ping",
        "query",
        "scope",
        "task",
        "violations",
    )

    channel_layer_alias = None  # type: ignore[assignment]  # Channels takes None as "no layer of its own"
    transport: ClassVar[str] = "websocket"
    may_subscribe: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.scope: Any = None
        self.base_send: Any = None
        self.query: Any = None
        self.task: asyncio.Task[Any] | None = None
        self.binary = False
        self.violations = 0
        self.heard = self.next_ping = 0.0
        self._bucket: TokenBucket | None = None
        self._may_rest = False

    def wanted(self) -> Wanted:
        """The topics this connection asks for. Raises ProtocolError."""
        raise NotImplementedError

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Any:
        """Return an ASGI application that makes a consumer for each connection."""

        # Not a coroutine function: that would be one more frame kept for as long as each connection lasts.
        def app(scope: Any, receive: Any, send: Any) -> Any:
            return cls(**initkwargs)(scope, receive, send)

        app.consumer_class = cls  # type: ignore[attr-defined]
        app.consumer_initkwargs = initkwargs  # type: ignore[attr-defined]
        return app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.base_send = scope, send
        await receive()  # websocket.connect
        try:
            self.query = query_of(request_of(scope))
            await self.admit(scope, lambda user: self.wanted(), cursor_in(self.query.get("cursor")))
        except ProtocolError as refusal:
            limits.count_refusal(refusal)
            await self._refuse(refusal)
            return
        await self._serve(receive, begins=True)

    async def _serve(self, receive: Receive, *, begins: bool = False) -> None:
        """Greet a client that begins, and hear each until it has left, or a server can say when there is more of it."""
        self.task = asyncio.current_task()
        rests = False
        try:
            if begins:
                await self._open(self.scope)
                self.scope = self.query = None
                await self.catch_up()
            while not (rests := self._rests()) and (message := await receive())["type"] != "websocket.disconnect":
                await self._hear(message)
        except asyncio.CancelledError:
            if not self.closing:
                raise
            with suppress(asyncio.CancelledError):  # a second time: its grace is over
                await self._finished()
        finally:
            self.task = None
            if not rests:
                self._gone()

    def _rests(self) -> bool:
        """Whether nothing has come, and the server goes on with this once something does: no task need wait for it."""
        return self._may_rest and cast("RestingWire", self.wire).rest(self._serve)

    async def _refuse(self, refusal: ProtocolError) -> None:
        """Answer in HTTP where the server can, else (or for a page that asks) accept, say it, and close."""
        by_close = "refuse=close" in self.scope.get("query_string", b"").decode("latin-1").split("&")
        if "websocket.http.response" in (self.scope.get("extensions") or {}) and not by_close:
            headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
            if refusal.http_status in (429, 503) and refusal.retry_after is not None:
                headers.append((b"retry-after", str(refusal.retry_after).encode()))
            start = {
                "type": "websocket.http.response.start",
                "status": refusal.http_status,
                "headers": headers,
            }
            await self.base_send(start)
            await self.base_send({"type": "websocket.http.response.body", "body": refusal.body})
            return
        await self.base_send({"type": "websocket.accept", "subprotocol": self._subprotocol()})
        self.binary = self._subprotocol() == MSGPACK
        await self.base_send(self._message(messages.error(refusal)))
        await self.base_send({"type": "websocket.close", "code": refusal.close_code, "reason": refusal.code})

    def _subprotocol(self) -> str | None:
        offered = self.scope.get("subprotocols", ())
        return next((name for name in (MSGPACK, TEXT) if name in offered), None)

    async def _open(self, scope: Any) -> None:
        """Accept, and greet."""
        subprotocol = self._subprotocol()
        self.binary = subprotocol == MSGPACK
        extensions = scope.get("extensions") or {}
        self.wire = extensions.get("realtime.wire")
        self._may_rest = "realtime.rest" in extensions
        if self.wire is None:
            self.outlet = Outlet(self.base_send, self._fault)
        else:
            self.form = "wire_binary" if self.binary else "wire"
            self.outlet = WireOutlet(self.wire, self.base_send, self._fault, self.hub.heart)
        await self.base_send({"type": "websocket.accept", "subprotocol": subprotocol})
        self.say(self.greeting())

    def begin_to_hear(self) -> None:
        # What a client says that reads slowly is not read either, while it replays.
        self.heard = self.loop.time()
        self.next_ping = self.heard + conf.HEARTBEAT_INTERVAL

    async def _hear(self, message: Any) -> None:
        self.heard = self.loop.time()
        if not self.closing:
            raw = message.get("text")
            await handle(self, raw if raw is not None else message.get("bytes") or b"")

    def may_command(self) -> bool:
        """Whether the client has not sent more commands than it may; counts this one."""
        now = self.loop.time()
        if self._bucket is None:
            self._bucket = TokenBucket(conf.COMMAND_RATE, conf.COMMAND_BURST, now)
        return self._bucket.take(now)

    def say(self, frame: bytes, cursor: str | None = None) -> None:
        """Send a frame of this connection's own."""
        self.outlet.write(self._message(frame), len(frame))

    def _message(self, frame: bytes) -> Any:
        """What the outlet takes: framed bytes, or an ASGI message."""
        payload = messages.to_msgpack(frame) if self.binary else frame
        if self.form is not None:
            return binary_frame(payload) if self.binary else text_frame(payload)
        return {"type": "websocket.send", **({"bytes": payload} if self.binary else {"text": payload.decode()})}

    def deliver(self, frame: Frame) -> None:
        """Send an event."""
        if self.form is not None:
            data: bytes = getattr(frame, self.form)
            self.outlet.write(data, len(data))
        elif self.binary:
            self.outlet.write({"type": "websocket.send", "bytes": frame.msgpack}, len(frame.msgpack))
        else:
            self.outlet.write({"type": "websocket.send", "text": frame.text}, len(frame.text))

    def close(self, error: ProtocolError) -> None:
        """Close the connection with the error's code, once; what was written before is sent before."""
        if self.closing:
            return
        self.count_close(error)
        self.outlet.end({"type": "websocket.close", "code": error.close_code, "reason": error.code})
        self.loop.call_later(CLOSE_GRACE, self._end)
        if isinstance(self.outlet, Outlet) and self.outlet.is_sending:
            self._stop_hearing()

    def _fault(self, slow: bool) -> None:
        """The outlet gave up: try a last word to a slow client past all that waits, then end."""
        if slow and not self.closing:
            error = ProtocolError("too_slow")
            self.count_close(error)
            last = {"type": "websocket.close", "code": error.close_code, "reason": error.code}
            self.help(self._last_word(last))
            if self.wire is None:
                self._stop_hearing()
        self.closing = True
        self.hub.leave(self)
        self.loop.call_later(CLOSE_GRACE, self._end)

    async def _last_word(self, message: Mapping[str, Any]) -> None:
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_GRACE):
                await self.base_send(message)

    def _stop_hearing(self) -> None:
        # Granian sends no close while its ``receive`` is waited for; what a client says now is not heard anyway.
        if self.task is not None:
            self.task.cancel()

    async def _finished(self) -> None:
        await self.outlet.finished()
        if self._helpers:  # the last word is one
            await asyncio.wait(self._helpers)

    def _end(self) -> None:
        task = self.task
        self._gone()  # first, or it would be waited for
        if task is not None:
            task.cancel()

    def _gone(self) -> None:
        self.gone()
        self.outlet.abandon()

    def beat(self, now: float) -> float:
        """Heartbeat, silence and expiry; say when to look again."""
        expiry = super().beat(now)
        if self.closing:
            return math.inf
        # A server of our own hears more than it tells: pings and pongs of the WebSocket protocol.
        self.heard = max(self.heard, getattr(self.wire, "heard", self.heard))
        if self.unsent:  # until it has taken that it is not heard; one that takes nothing is the outlet's to end
            self.heard = now
        silence = self.heard + conf.HEARTBEAT_TIMEOUT
        if now >= silence:
            self.close(ProtocolError("heartbeat_timeout"))
        elif now >= self.next_ping:
            self.next_ping = now + conf.HEARTBEAT_INTERVAL
            self.hub.stand(self)
            self.say(messages.ping(self.state.cursor.encode()))
        return min(expiry, silence, self.next_ping)
