"""A WebSocket server for any ASGI application, as a protocol class for uvicorn: ``ws=WebSocketProtocol``.

RFC 6455 without extensions. Uvicorn reads the request, hands over the connection and keeps the settings (largest
message, TLS, time for a shutdown); this joins the pieces that can be tested without a socket: the handshake, the
frames, the application's answer, its inbox and the way out.

An idle connection costs as little as it can: one object with slots, no timer, no queue, nothing of the handshake, and
where the application rests (``realtime.rest``), no task and no coroutine either.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected, get_remote_addr
from uvicorn.server import ServerState

from realtime.protocol.websocket import close_frame, ping_frame, pong_frame
from realtime.server import handshake
from realtime.server.asgi import Message, disconnected, framed
from realtime.server.connection import State
from realtime.server.frames import NO_CODE, Close, Event, FrameReader, Ping, Pong, Violation
from realtime.server.opening import Opening, Step
from realtime.server.running import NORMAL, RESTARTING, Running

logger = logging.getLogger("uvicorn.error")

ABNORMAL, SILENT = 1006, 1011


class WebSocketProtocol(Running, asyncio.Protocol):
    """One client, from its request on."""

    __slots__ = ("_connections", "_is_done", "_opening", "_reader", "heard")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop or asyncio.get_running_loop())
        self._connections: set[Any] = server_state.connections  # typed for uvicorn's own classes
        self._opening: Opening | bytes | None = b""  # the request while it arrives, then until it is answered
        self._reader: FrameReader | None = None
        self._is_done = False  # the application has closed: it may send nothing more
        self.heard = 0.0
        """When something last came from the client, by the loop's clock."""

    # What the event loop and the server call

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve a connection, which has spoken HTTP before."""
        connection = cast("asyncio.Transport", transport)
        self._connections.add(self)
        connection.set_protocol(self)  # uvicorn does so later, but what it is told about writing is for us
        self.attach(connection)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        self.heard = self._loop.time()
        if isinstance(self._opening, bytes):
            self._read_request(self._opening + data)
        elif self._reader is not None:
            self._reader.feed(data)
            self._take()

    def eof_received(self) -> None:
        """Nothing more can come, a close neither: the transport closes when this returns."""
        self.shut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits, and leave every list before the descriptor is somebody else's."""
        self.lost()
        self._connections.discard(self)
        self._reader = self._opening = None
        self._inbox.end(disconnected(ABNORMAL, ""))

    def resume_writing(self) -> None:
        """Go on with whatever waited for the client to read."""
        super().resume_writing()
        self.let_go()
        if not self._is_reading:
            self._take()

    def shutdown(self) -> None:
        """End this connection soon, as the server ends. Not all of them at once, or all clients come back at once."""
        if self._state in (State.READING, State.ASKING):
            self._turn_away(HTTPStatus.SERVICE_UNAVAILABLE)
        elif self._state is State.OPEN:
            longest = self._config.timeout_graceful_shutdown
            spread = self._limits.DRAIN_SPREAD if longest is None else min(self._limits.DRAIN_SPREAD, longest / 2)
            delay = random.uniform(0, spread)  # noqa: S311  (no secret)
            self._loop.call_later(delay, self._end, RESTARTING, "draining")

    # The handshake

    def _read_request(self, data: bytes) -> None:
        largest, most = self._limits.HANDSHAKE_BYTES, self._limits.HANDSHAKE_HEADERS
        try:
            found = handshake.parse(data, largest=largest, most_headers=most)
        except handshake.Refused as refused:
            self._opening = None
            self.finish(refused.response())
            return
        if found is None:
            self._opening = data
            return
        request, rest = found
        self._opening = Opening(request)
        self._state = State.ASKING
        limit = self._config.limit_concurrency
        if limit is not None and len(self._connections) > limit:
            self._turn_away(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        self._reader = FrameReader(self._config.ws_max_size)
        if rest:
            self._reader.feed(rest)
        self.start(request)

    def _answer(self, message: Message) -> None:
        """Send what the application answers to the handshake."""
        opening = self._opening
        assert isinstance(opening, Opening)
        data = opening.answer(message, self._server.default_headers)
        if opening.step is Step.REFUSING:
            self._transport.write(data)
            return
        self._log(opening)
        self._opening = None
        if opening.step is Step.REFUSED:
            self._is_done = True
            self._inbox.end(disconnected(ABNORMAL, ""))
            self.finish(data)
            return
        self._state = State.OPEN
        self.open(data)
        if self._config.ws_ping_interval:
            self._timer = self._loop.call_later(self._config.ws_ping_interval, self._ping)
        self._take()

    def _turn_away(self, status: HTTPStatus) -> None:
        """Refuse in the application's stead; close without a word where it has begun to refuse."""
        opening, self._opening = self._opening, None
        data = b""
        if isinstance(opening, Opening) and opening.step is Step.ASKED:
            retry = (b"retry-after", b"%d" % math.ceil(self._limits.DRAIN_SPREAD))
            more = [retry] if status == HTTPStatus.SERVICE_UNAVAILABLE else []
            data = opening.refuse(status, status.phrase.encode(), [*self._server.default_headers, *more])
            self._log(opening)
        self._inbox.end(disconnected(ABNORMAL, ""))
        self.finish(data)

    def _log(self, opening: Opening) -> None:
        if logger.isEnabledFor(logging.INFO):
            host, port = get_remote_addr(self._transport) or ("", 0)
            target = quote(opening.request.path)
            if opening.request.query:
                target += f"?{opening.request.query.decode('latin-1')}"
            logger.info('%s:%d - "WebSocket %s" %s', host, port, target, opening.outcome)

    # What the client says

    def _take(self) -> None:
        """Take messages for as long as there is room for them; then stop the client until there is."""
        while self._reader is not None and self._state is not State.LOST:
            if not self._may_take():
                self.pause_reading()
                return
            event = self._reader.next()
            if event is None:
                break
            self._hear(event)
        if self._state is not State.LOST:
            self.resume_reading()

    def _may_take(self) -> bool:
        if self._state is State.CLOSING:  # all but the client's close is thrown away
            return True
        if not self._inbox.has_room:
            self._inbox.when_taken = self._take
            return False
        # Before the socket is open, nobody could be answered; a client that reads nothing gets no pongs to pile up.
        return self._state is State.OPEN and not self.is_stuck

    def _hear(self, event: Event) -> None:
        is_open = self._state is State.OPEN
        match event:
            case str():
                self._inbox.put({"type": "websocket.receive", "text": event})
            case bytes():
                self._inbox.put({"type": "websocket.receive", "bytes": event})
            case Ping(payload):
                self.write(pong_frame(payload))
            case Pong():
                pass
            case Close(code, reason):
                self._reader = None
                self._inbox.end(disconnected(code, reason))
                self.finish(close_frame(NORMAL if code == NO_CODE else code) if is_open else b"")
            case Violation(code, reason):
                self._reader = None
                self._inbox.end(disconnected(code, reason))
                self.hang_up(close_frame(code, reason) if is_open else b"")

    def _ping(self) -> None:
        """Ask a client for a sign of life, where uvicorn is set to; close when there was none."""
        interval, timeout = self._config.ws_ping_interval, self._config.ws_ping_timeout
        assert interval is not None
        if timeout is not None and self._loop.time() - self.heard >= interval + timeout:
            self._end(SILENT, "keepalive ping timeout")
            return
        self.write(ping_frame())
        self._timer = self._loop.call_later(interval, self._ping)

    # What the application does

    def leave(self, code: int) -> None:
        """End what the application has left."""
        if self._state is State.ASKING:
            if code == NORMAL:
                logger.error("ASGI callable returned without completing handshake.")
            self._turn_away(HTTPStatus.INTERNAL_SERVER_ERROR)
        else:
            self._end(code, "")

    async def send(self, message: Message) -> None:
        """Send what the application says, once the client has taken enough of what was said before.

        Raises ClientDisconnected, an OSError, when nobody can hear it, and RuntimeError when it has no place here.
        """
        kind = message["type"]
        while self.is_stuck and kind != "websocket.close":  # a close ends the waiting of those before it
            await self.writable()
        if self._state is State.OPEN:
            if kind == "websocket.send":
                self.write(framed(message))
            elif kind == "websocket.close":
                self._end(message.get("code") or NORMAL, message.get("reason") or "")
                self._is_done = True
            else:
                raise RuntimeError(f"{kind!r} has no place in an open WebSocket")
        elif self._state is State.ASKING:
            self._answer(message)
        elif self._is_done:
            raise RuntimeError(f"{kind!r} was sent after the application had closed the WebSocket")
        else:
            raise ClientDisconnected

    def _end(self, code: int, reason: str) -> None:
        """Close an open socket from this side, and give the client some time to answer."""
        if self._state is not State.OPEN:
            return
        self.write(close_frame(code, reason))
        self._inbox.end(disconnected(code, reason))
        self.begin_closing()
        self._take()
