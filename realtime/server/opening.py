"""The application's answer to an opening handshake: open the socket, or refuse with status and body.

Pure: ASGI messages in, bytes out. Lives only until the answer is whole, so that an open connection does not carry it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from realtime.protocol.chunked import LAST_CHUNK, chunk
from realtime.server import handshake
from realtime.server.handshake import Header, Request

Message = Mapping[str, Any]

_OWN_HEADERS = frozenset({b"connection", b"transfer-encoding"})  # of a refusal: they are the server's to say
_WITHOUT_LENGTH = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Step(Enum):
    """How far the answer has come."""

    ASKED = auto()
    REFUSING = auto()
    REFUSED = auto()
    ACCEPTED = auto()


class Opening:
    """One handshake that waits for its answer."""

    __slots__ = ("_headers", "_is_chunked", "_status", "request", "step")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.step = Step.ASKED
        self._status = 0
        self._headers: list[Header] | None = None  # of a refusal, until its first byte is sent
        self._is_chunked = False

    def answer(self, message: Message, default_headers: Iterable[Header]) -> bytes:
        """Return what is to be sent for a message of the application.

        Raises RuntimeError for one that has no place here, ValueError for headers that are none.
        """
        kind = message["type"]
        if self.step is Step.ASKED:
            if kind == "websocket.accept":
                return self._accept(message, default_headers)
            if kind == "websocket.close":
                return self.refuse(HTTPStatus.FORBIDDEN, b"", default_headers)
            if kind == "websocket.http.response.start":
                return self._begin(message, default_headers)
        elif self.step is Step.REFUSING and kind == "websocket.http.response.body":
            return self._go_on(message)
        raise RuntimeError(f"{kind!r} has no place in the answer to a WebSocket handshake now")

    def refuse(self, status: int, body: bytes, default_headers: Iterable[Header]) -> bytes:
        """Return a whole refusal, of the server's own."""
        self.step = Step.REFUSED
        self._status = status
        return handshake.response(status, [*default_headers, (b"content-type", b"text/plain")], body)

    @property
    def outcome(self) -> str:
        """The answer in a word, for the log."""
        return "[accepted]" if self.step is Step.ACCEPTED else str(int(self._status))

    def _accept(self, message: Message, default_headers: Iterable[Header]) -> bytes:
        headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers") or ()]
        if any(name == b"sec-websocket-protocol" for name, _ in headers):
            raise RuntimeError("the subprotocol of websocket.accept has a key of its own")
        data = handshake.accepted(self.request, [*default_headers, *headers], message.get("subprotocol"))
        self.step = Step.ACCEPTED
        return data

    def _begin(self, message: Message, default_headers: Iterable[Header]) -> bytes:
        status = message["status"]
        if not HTTPStatus.OK <= status <= 599:
            raise RuntimeError(f"no refusal has the status {status}")
        headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers") or ()]
        own = [header for header in headers if header[0] not in _OWN_HEADERS]
        handshake.head(status, own)  # what is wrong is said before anything else happens
        self._status, self._headers = status, [*default_headers, *own]
        self.step = Step.REFUSING
        return b""

    def _go_on(self, message: Message) -> bytes:
        body, is_last = message.get("body") or b"", not message.get("more_body", False)
        self.step = Step.REFUSED if is_last else Step.REFUSING
        data = self._head(len(body), is_last)
        data += chunk(body) if self._is_chunked else body
        return data + LAST_CHUNK if self._is_chunked and is_last else data

    def _head(self, size: int, is_last: bool) -> bytes:
        """Return the head of a refusal, once: with its length, where the first piece is the whole body."""
        headers, self._headers = self._headers, None
        if headers is None:
            return b""
        has_length = any(name == b"content-length" for name, _ in headers) or self._status in _WITHOUT_LENGTH
        if not has_length and is_last:
            headers.append((b"content-length", b"%d" % size))
        elif not has_length:
            self._is_chunked = True
            headers.append((b"transfer-encoding", b"chunked"))
        return handshake.head(self._status, [*headers, (b"connection", b"close")])
