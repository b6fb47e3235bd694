"""Server-sent events: a raw ASGI application, mounted ahead of Django.

Not a view, since a view holds a thread for as long as its stream is open.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, cast

import msgspec
from django.http import HttpRequest

from realtime import limits, origins, topics
from realtime.conf import conf
from realtime.handshake import query_of, request_of
from realtime.members import WakingWire
from realtime.protocol import messages
from realtime.protocol.chunked import chunk
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Frame
from realtime.protocol.subscriber import Reason
from realtime.resume import Wanted
from realtime.transports.connection import Connection
from realtime.transports.outlet import Outlet
from realtime.transports.query import cursor_in, wanted_in
from realtime.transports.wire import WireOutlet

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

CLOSE_GRACE = 5.0  # seconds a client is given to take the last event before its request is ended

_STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events until a buffer is full
]


class StreamApp:
    """``GET /api/v1/stream``. With ``topics_of``, a stream of that user's topics alone, whatever is asked for."""

    def __init__(self, topics_of: Callable[[Any], Iterable[topics.Topic]] | None = None) -> None:
        self._topics_of = topics_of

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request: a stream until either side ends it, or a refusal."""
        stream = Stream(send)
        headers = await self._admit(stream, scope, send)
        if headers is not None:
            extensions = scope.get("extensions") or {}
            del scope  # it is not needed for as long as the stream may last
            await stream.run(receive, _STREAM_HEADERS + headers, extensions)

    async def _admit(self, stream: Stream, scope: Mapping[str, Any], send: Send) -> Headers | None:
        """Admit the client and return headers for the answer, or None when it has been answered."""
        request = request_of(scope)
        headers = origins.cors_headers(request)
        if request.method != "GET":
            await _answer_other_method(request, headers, send)
            return None
        try:
            query = query_of(request)
            place = request.headers.get("Last-Event-ID") or query.get("cursor")
            await stream.admit(scope, lambda user: self._wanted(user, request), cursor_in(place))
        except ProtocolError as refusal:
            limits.count_refusal(refusal)
            await _refuse(refusal, headers, send)
            return None
        return headers

    def _wanted(self, user: Any, request: HttpRequest) -> Wanted:
        if self._topics_of is not None:
            return Wanted(frozenset(self._topics_of(user)), automatic=False)
        return wanted_in(query_of(request))


def own_stream(kind: str) -> StreamApp:
    """The stream of the one topic of ``kind`` that bears the user's own id."""
    return StreamApp(lambda user: [topics.topic(kind, user.pk)])


stream_app = StreamApp()


class Stream(Connection):
    """One client's stream."""

    __slots__ = ("_is_over", "_may_rest", "_next_keepalive", "_send", "_task")

    transport: ClassVar[str] = "sse"

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send
        self._task: asyncio.Task[Any] | None = None  # while it does not rest
        self._may_rest = self._is_over = False
        self._next_keepalive = self.loop.time() + conf.SSE_KEEPALIVE

    async def run(self, receive: Receive, headers: Headers, extensions: Mapping[str, Any]) -> None:
        """Stream until the client leaves or the connection is closed, or a server can say when it has left."""
        await self._serve(receive, partial(self._begin, headers, extensions))

    async def _serve(self, receive: Receive, begin: Callable[[], Awaitable[None]] | None = None) -> None:
        self._task = asyncio.current_task()
        rests = False
        try:
            if begin is not None:
                await begin()
            # Writing to who left raises nothing.
            while not (rests := self._rests()) and not self._is_over and (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not self.closing:  # the server has waited for its streams for as long as it would
                self.close(ProtocolError("draining"))
                raise
        finally:
            self._task = None
            if not rests:
                self.gone()
                self.outlet.abandon()

    async def _begin(self, headers: Headers, extensions: Mapping[str, Any]) -> None:
        """Answer, and greet."""
        self.outlet = Outlet(self._send, self._fault)
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        self.wire = extensions.get("realtime.wire")
        if self.wire is not None:
            self.form, self._may_rest = "wire_sse", "realtime.rest" in extensions
            self.outlet = WireOutlet(self.wire, self._send, self._fault, self.hub.heart)
        self._write(messages.sse_retry(conf.SSE_RETRY))
        self._write(messages.sse_chunk(self.greeting(), "Connected", self.state.cursor.encode()))
        self.help(self.catch_up())

    def _rests(self) -> bool:
        """Whether nothing has come, and the server goes on with this once something does: no task need wait for it."""
        return self._may_rest and not self._is_over and cast("WakingWire", self.wire).rest(self._serve)

    def say(self, frame: bytes, cursor: str | None = None) -> None:
        """Send a frame of this connection's own; without ``cursor`` the client keeps the one it has."""
        self._write(messages.sse_chunk(frame, _type_of(frame), cursor))

    def deliver(self, frame: Frame) -> None:
        """Send an event."""
        self._write(frame.sse)

    def reset(self, reason: Reason, seqs: dict[str, int]) -> None:
        """Say that the cursor is worth nothing, and give another."""
        cursor = self.state.cursor.encode()
        self.say(messages.reset(reason, cursor, seqs), cursor)

    def close(self, error: ProtocolError) -> None:
        """End the stream by saying why."""
        if not self.closing:
            self.count_close(error)
            self.outlet.end(_last(error))
            self.loop.call_later(CLOSE_GRACE, self._end)
            self.help(self._end_when_sent())

    def begin_to_hear(self) -> None:
        self._next_keepalive = self.loop.time() + conf.SSE_KEEPALIVE

    def beat(self, now: float) -> float:
        """Keep proxies open and the client's cursor fresh; say when to look again."""
        expiry = super().beat(now)
        if self.closing:
            return math.inf
        if now >= self._next_keepalive:
            self._next_keepalive = now + conf.SSE_KEEPALIVE
            self.hub.stand(self)
            self._write(messages.sse_keepalive(self.state.cursor.encode()))
        return min(expiry, self._next_keepalive)

    def _write(self, event: bytes) -> None:
        if self.closing:  # the last event has been said
            return
        message = {"type": "http.response.body", "body": event, "more_body": True}
        self.outlet.write(message if self.form is None else chunk(event), len(event))

    def _end(self) -> None:
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
        elif self._may_rest:
            cast("WakingWire", self.wire).wake()

    async def _end_when_sent(self) -> None:
        await self.outlet.finished()
        self._end()

    def _fault(self, slow: bool) -> None:
        """Give up a client that the outlet cannot serve; one that is slow is told, past all that waits for it."""
        if not slow or self.closing:
            self.closing = True
            self._end()
            return
        error = ProtocolError("too_slow")
        self.count_close(error)
        self.help(self._last_word(error))

    async def _last_word(self, error: ProtocolError) -> None:
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_GRACE):
                await self._send(_last(error))
        self._end()


def _last(error: ProtocolError) -> MutableMapping[str, Any]:
    event = messages.sse_chunk(messages.close(error), "Close", None)
    if error.retry_after is not None:  # what a plain EventSource goes by
        event = messages.sse_retry(error.retry_after * 1000) + event
    return {"type": "http.response.body", "body": event, "more_body": False}


class _Typed(msgspec.Struct):
    type: str


def _type_of(frame: bytes) -> str:
    return msgspec.json.decode(frame, type=_Typed).type


async def _refuse(refusal: ProtocolError, headers: Headers, send: Send) -> None:
    headers = [*headers, (b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if refusal.http_status in (429, 503) and refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    if refusal.http_status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await _answer(refusal.http_status, headers, refusal.body, send)


async def _answer_other_method(request: HttpRequest, headers: Headers, send: Send) -> None:
    """Let an allowed page of another origin ask with a header of its own; refuse all else."""
    is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if is_preflight and origins.is_allowed(request):
        headers += [
            (b"access-control-allow-methods", b"GET"),
            (b"access-control-allow-headers", b"authorization, last-event-id"),
            (b"access-control-max-age", b"600"),
        ]
        await _answer(204, headers, b"", send)
    else:
        await _answer(405, [*headers, (b"allow", b"GET")], b"", send)


async def _answer(status: int, headers: Headers, body: bytes, send: Send) -> None:
    if body or status != 204:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
