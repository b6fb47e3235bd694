"""Reads the request that opens a WebSocket, and writes the answers to it.

Pure: bytes in, bytes out. Strict where leniency would let a client past a proxy with something else than it said;
what common clients repeat is kept once per process, as ten thousand connections send the same lines.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote

Header = tuple[bytes, bytes]
Values = dict[bytes, list[bytes]]

SHARED_HEADERS = 1024  # how many are kept for others to share
_LONGEST_SHARED = 256  # bytes of a line that is kept
_LONGEST_ALIKE = 2048  # bytes of the lines of one request that are looked at once for all who say the same
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = b"13"
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(rb"(?:wss?|https?)://[^/?#]+(/[!-\"$-~]*)|(/[!-\"$-~]*)", re.IGNORECASE)
# Their values are alike for many clients and no secret.
_ALIKE = frozenset(
    b"accept accept-encoding accept-language cache-control connection host origin pragma sec-fetch-dest sec-fetch-mode"
    b" sec-fetch-site sec-websocket-extensions sec-websocket-version upgrade user-agent x-forwarded-host"
    b" x-forwarded-proto".split()
)
_shared: dict[bytes, Header] = {}  # by the line


class Request(NamedTuple):
    """An opening handshake that may be accepted."""

    path: str
    raw_path: bytes
    query: bytes
    headers: list[Header]
    subprotocols: list[str]
    accept: bytes  # what proves that the request was read


class Refused(Exception):
    """The request is no handshake that this server could accept. The text is for whoever wrote the client."""

    def __init__(self, status: HTTPStatus, text: str, headers: Iterable[Header] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = list(headers)

    def response(self) -> bytes:
        """Return the whole answer."""
        return response(self.status, [*self.headers, (b"content-type", b"text/plain")], self.text.encode())


def parse(data: bytes, *, largest: int, most_headers: int) -> tuple[Request, bytes] | None:
    """Return the request and the bytes behind it, or None when its end has not come. Raises Refused."""
    end = data.find(b"\r\n\r\n")
    if end > largest or (end < 0 and len(data) > largest):
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The request may have {largest} bytes.")
    if end < 0:
        return None
    first, *lines = data[:end].split(b"\r\n")
    if len(lines) > most_headers:
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The request may have {most_headers} headers.")
    target = _target(first)
    headers = [_header(line) for line in lines]
    return _request(target, headers), data[end + 4 :]


def accepted(request: Request, headers: Iterable[Header], subprotocol: str | None) -> bytes:
    """Return the answer that opens the socket. Raises ValueError for a header that is none."""
    lines = [_SWITCHING, request.accept]
    more = list(headers)
    if subprotocol is not None:
        more.insert(0, (b"sec-websocket-protocol", subprotocol.encode("ascii")))
    lines += [b"\r\n" + _line(header) for header in more]
    return b"".join(lines) + b"\r\n\r\n"


def response(status: int, headers: Iterable[Header], body: bytes) -> bytes:
    """Return a whole answer, after which the connection is closed. Raises ValueError for a header that is none."""
    length = (b"content-length", b"%d" % len(body))
    return head(status, [*headers, length, (b"connection", b"close")]) + body


def head(status: int, headers: Iterable[Header]) -> bytes:
    """Return status line and headers. Raises ValueError for a header that is none."""
    first = b"HTTP/1.1 %d %s" % (status, _phrase(status))
    return b"\r\n".join([first, *map(_line, headers)]) + b"\r\n\r\n"


def _line(header: Header) -> bytes:
    name, value = header
    if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError(f"this is no header: {name!r}: {value!r}")
    return name + b": " + value


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def _target(line: bytes) -> bytes:
    """Return the path and query of a request line."""
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    found = _TARGET.fullmatch(target)
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or found is None or not _TOKEN.fullmatch(method):
        raise Refused(HTTPStatus.BAD_REQUEST, "The request line is malformed.")
    if method != b"GET":
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "A WebSocket is opened with GET.", [(b"allow", b"GET")])
    if version == b"HTTP/1.0":
        raise Refused(HTTPStatus.BAD_REQUEST, "A WebSocket is opened with HTTP/1.1.")
    return found[1] or found[2]


def _header(line: bytes) -> Header:
    known = _shared.get(line)
    if known is not None:
        return known
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise Refused(HTTPStatus.BAD_REQUEST, "A header is malformed.")
    header = name.lower(), value.strip(b" \t")
    if header[0] in _ALIKE and len(line) <= _LONGEST_SHARED:
        if len(_shared) >= SHARED_HEADERS:
            _shared.clear()  # clients that never say the same twice have filled it; the common ones come back
        _shared[line] = header
    return header


def _request(target: bytes, headers: list[Header]) -> Request:
    alike = tuple(header for header in headers if header[0] in _ALIKE)
    is_short = sum(len(value) for _, value in alike) <= _LONGEST_ALIKE
    (_check_alike if is_short else _check_alike.__wrapped__)(alike)
    values = _values(header for header in headers if header[0] not in _ALIKE)
    _check_body(values)
    key = _only(values, b"sec-websocket-key", "There must be one Sec-WebSocket-Key.")
    try:
        is_key = len(b64decode(key, validate=True)) == 16
    except binascii.Error:
        is_key = False
    if not is_key:
        raise Refused(HTTPStatus.BAD_REQUEST, "The Sec-WebSocket-Key is not 16 bytes in base64.")
    raw_path, _, query = target.partition(b"?")
    return Request(
        path=unquote(raw_path.decode("ascii")),
        raw_path=raw_path,
        query=query,
        headers=headers,
        subprotocols=_subprotocols(values),
        accept=b64encode(hashlib.sha1(key + _GUID).digest()),  # noqa: S324  (as RFC 6455 wants it; no secret)
    )


def _values(headers: Iterable[Header]) -> Values:
    values: Values = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return values


@lru_cache(maxsize=SHARED_HEADERS)
def _check_alike(headers: tuple[Header, ...]) -> None:
    """Look at what many clients say in the same words; once, while they do."""
    values = _values(headers)
    _only(values, b"host", "The request names no host, or several.")
    _check_upgrade(values)


def _check_upgrade(values: Values) -> None:
    if b"websocket" not in _list(values, b"upgrade") or b"upgrade" not in _list(values, b"connection"):
        raise Refused(
            HTTPStatus.UPGRADE_REQUIRED,
            "This address speaks WebSocket.",
            [(b"upgrade", b"websocket"), (b"connection", b"upgrade")],
        )
    if _only(values, b"sec-websocket-version", "There must be one Sec-WebSocket-Version.") != _VERSION:
        raise Refused(
            HTTPStatus.UPGRADE_REQUIRED,
            "This server speaks version 13 of WebSocket.",
            [(b"sec-websocket-version", _VERSION), (b"upgrade", b"websocket"), (b"connection", b"upgrade")],
        )


def _check_body(values: Values) -> None:
    """Refuse what would be read as frames here and as a body by a proxy."""
    if values.get(b"transfer-encoding") or any(value != b"0" for value in values.get(b"content-length", ())):
        raise Refused(HTTPStatus.BAD_REQUEST, "A request that opens a WebSocket has no body.")


def _subprotocols(values: Values) -> list[str]:
    offered = [name.strip(b" \t") for value in values.get(b"sec-websocket-protocol", ()) for name in value.split(b",")]
    if len(set(offered)) < len(offered) or not all(_TOKEN.fullmatch(name) for name in offered):
        raise Refused(HTTPStatus.BAD_REQUEST, "Sec-WebSocket-Protocol lists names, each once.")
    return [name.decode("ascii") for name in offered]


def _only(values: Values, name: bytes, otherwise: str) -> bytes:
    """Return the value of a header that must be there once."""
    found = values.get(name, ())
    if len(found) != 1:
        raise Refused(HTTPStatus.BAD_REQUEST, otherwise)
    return found[0]


def _list(values: Values, name: bytes) -> list[bytes]:
    return [item.strip(b" \t").lower() for value in values.get(name, ()) for item in value.split(b",")]
