"""A client of server-sent events that hides nothing: ids, blank lines and the end are part of what it reports."""

import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from rest_framework_simplejwt.tokens import AccessToken

from realtime.metrics import metrics


class Chunk(NamedTuple):
    """What stood between two blank lines. Without data it is a keepalive."""

    type: str | None
    data: Any
    id: str | None
    retry: str | None


class Stream:
    """One request. ``status`` and ``body`` of a refusal; chunks of a stream."""

    def __init__(self, http, path, query, headers):
        self._context = http.stream("GET", path, params=query, headers=headers)
        self.response = self._context.__enter__()
        self.status = self.response.status_code
        self._lines = _lines(self.response)

    def body(self):
        return json.loads(self.response.read())

    def __iter__(self):
        return self

    def __next__(self):
        fields = {}
        for line in self._lines:
            if not line:
                data = fields.get("data")
                return Chunk(fields.get("event"), data and json.loads(data), fields.get("id"), fields.get("retry"))
            name, _, value = line.partition(": ")
            fields[name] = value
        raise StopIteration

    def next(self, type=None):
        """The next chunk, or the next of that type; fails when the stream ends before."""
        for chunk in self:
            if type is None or chunk.type == type:
                return chunk
        raise AssertionError(f"the stream ended before {type or 'anything'}")

    def close(self):
        self._context.__exit__(None, None, None)


def notes(stream, count):
    """The numbers of the next Notes of a stream."""
    return [stream.next("Note").data["data"]["n"] for _ in range(count)]


def streams_open():
    """How many streams this process serves."""
    return int(metrics.subscribers.labels("sse")._value.get())


def unread_stream(server, user, **query):
    """A connection with a small window, from which nothing is read."""
    address = urlsplit(server)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.connect((address.hostname, address.port))
    query = urlencode({"token": str(AccessToken.for_user(user)), **query})
    connection.sendall(f"GET /api/v1/stream?{query} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    return connection


def _lines(response):
    """The stream's lines. Not httpx's own: those end at U+2028 too, where those of a stream go on."""
    rest = b""
    for piece in response.iter_raw():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode()
