"""Uvicorn's HTTP protocol with the short way out for event streams: ``http=HttpProtocol``.

What an application finds in ``scope["extensions"]["realtime.wire"]`` of a GET takes raw body bytes, in chunks as
``realtime.protocol.chunked.chunk`` cuts them. It is open from ``http.response.start``, if uvicorn sends that body in
chunks, to the end of the response. Meanwhile the application may rest. All else is uvicorn's.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from realtime.limits import reached
from realtime.server.limits import limits
from realtime.server.stream import Flow, StreamWire, abort_closing

_FORGOTTEN: Any = {"type": "http", "method": "GET"}  # what uvicorn asks of a request once its answer has begun
TOO_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain\r\ncontent-length: 39\r\nconnection: close\r\n\r\n"
    b"The request did not come whole in time."
)


class Pipeline(list[Any]):
    """Requests that wait for the one before them: mostly none, for which a deque would be ten times as large."""

    def appendleft(self, request: Any) -> None:
        """Put a request behind all others."""
        self.insert(0, request)


class HttpProtocol(HttpToolsProtocol):
    """One HTTP connection."""

    __slots__ = ("_patience", "_wire")  # uvicorn's attributes alone are few enough for instances to share their names

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pipeline = Pipeline()  # type: ignore[assignment]
        self._wire: StreamWire | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to serve a client, whose first request has to come soon."""
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._expect_request()

    def on_message_begin(self) -> None:
        """Begin a request: a part of one is no reason to be kept waiting for the rest."""
        super().on_message_begin()
        self._expect_request()

    def on_message_complete(self) -> None:
        """Have a whole request, body and all."""
        self._expect_nothing()
        super().on_message_complete()

    def _expect_request(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(limits().UNAUTHENTICATED_SECONDS, self._lose_patience)

    def _expect_nothing(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        """End a connection whose client keeps its request to itself."""
        self._patience = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused:  # it is we who take no more of it
            self._expect_request()
            return
        if self.scope is not None:  # else it has not begun: browsers open connections that they may need
            reached("UNAUTHENTICATED_SECONDS")
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(TOO_LATE)
        self._close()

    def _close(self) -> None:
        """End the connection once its client has taken what was written, which may not take for ever."""
        self.transport.close()
        self.loop.call_later(limits().CLOSE_TIMEOUT, abort_closing, self.transport)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent; what follows a WebSocket's handshake is for the WebSocket."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._should_upgrade():
                self._unsupported_upgrade_warning()
                return
            if self.cycle is not None and not self.cycle.response_complete:
                # Only the WebSocket would be told of the loss: the answer would go on, on the next client's descriptor.
                self._close()
                return
            self.handle_websocket_upgrade()
            self.parser = None  # type: ignore[assignment]  # it holds us as we hold it: a cycle, ten thousand times
            if rest := data[upgrade.args[0] :]:
                self.transport.get_protocol().data_received(rest)  # type: ignore[attr-defined]
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("Invalid HTTP request received.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the descriptor in the step in which the connection is lost."""
        self._expect_nothing()
        if self._wire is not None:
            self._wire.lost()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that something waits in the transport."""
        if self._wire is not None:
            self._wire.pause_writing()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that nothing waits any more."""
        super().resume_writing()
        if self._wire is not None:
            self._wire.resume_writing()

    def shutdown(self) -> None:
        """Let an answer that has begun come to its end, and an application that rests see to it."""
        super().shutdown()
        if self._wire is not None:
            self._wire.stay_awake()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.scope["method"] == "GET":
            self._wire = wire = StreamWire(cycle, super()._start_asgi_task, partial(self._forget, cycle))
            cycle.scope["extensions"] = {"realtime.wire": wire, "realtime.rest": {}}  # type: ignore[dict-item]
            cycle = wire  # type: ignore[assignment]
        super()._start_asgi_task(cycle, app)

    def _forget(self, cycle: RequestResponseCycle) -> None:
        """Let go of a request whose answer may last for hours, unless the next one has come meanwhile."""
        if self.scope is cycle.scope:
            self.scope, self.headers, self.url = _FORGOTTEN, [], b""
        cycle.scope = _FORGOTTEN
