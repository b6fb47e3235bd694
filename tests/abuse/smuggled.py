"""Requests that two programs might read differently: one as it stands, the other with a second request inside it.

Apart from the test because a proxy's configuration can be held against the same list.
"""

from __future__ import annotations

HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: hidden\r\n\r\n"


def post(*headers: bytes, body: bytes = b"", line: bytes = b"POST /api/v1/auth/token HTTP/1.1") -> bytes:
    """A request to an address that reads its body, with these headers besides Host."""
    return b"\r\n".join([line, b"Host: 127.0.0.1", b"Content-Type: application/json", *headers]) + b"\r\n\r\n" + body


_LENGTH = b"Content-Length: %d" % len(HIDDEN)
_NO_CHUNK = b"0\r\n\r\n" + HIDDEN

AMBIGUOUS: dict[str, bytes] = {
    "length and chunks": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=_NO_CHUNK),
    "chunks and length": post(b"Transfer-Encoding: chunked", _LENGTH, body=_NO_CHUNK),
    "two lengths": post(b"Content-Length: 0", _LENGTH, body=HIDDEN),
    "two lengths in one": post(b"Content-Length: 0, %d" % len(HIDDEN), body=HIDDEN),
    "the same length twice": post(_LENGTH, _LENGTH, body=HIDDEN),
    "a length with a sign": post(b"Content-Length: +0", body=HIDDEN),
    "a negative length": post(b"Content-Length: -1", body=HIDDEN),
    "a length in hexadecimal": post(b"Content-Length: 0x0", body=HIDDEN),
    "a length beyond 64 bits": post(b"Content-Length: 99999999999999999999", body=HIDDEN),
    "an encoding that is none": post(b"Transfer-Encoding: xchunked", body=_NO_CHUNK),
    "chunks that are not last": post(b"Transfer-Encoding: chunked, identity", body=_NO_CHUNK),
    "a folded encoding": post(b"Transfer-Encoding:\r\n chunked", body=_NO_CHUNK),
    "a folded header": post(b"X-One: 1\r\n Transfer-Encoding: chunked", body=_NO_CHUNK),
    "a space before the colon": post(b"Transfer-Encoding : chunked", body=_NO_CHUNK),
    "a bare line feed": post(b"X-One: 1\nTransfer-Encoding: chunked", body=_NO_CHUNK),
    "a bare carriage return": post(b"X-One: 1\rTransfer-Encoding: chunked", body=_NO_CHUNK),
    "a null": post(b"X-One: 1\x00Transfer-Encoding: chunked", body=_NO_CHUNK),
    "a name with a line feed": post(b"X-One\n: 1", body=b""),
    "a chunk beyond 64 bits": post(b"Transfer-Encoding: chunked", body=b"FFFFFFFFFFFFFFFFF\r\n" + HIDDEN),
    "a chunk with a sign": post(b"Transfer-Encoding: chunked", body=b"-1\r\n" + HIDDEN),
    "a chunk without its end": post(b"Transfer-Encoding: chunked", body=b"1\r\nxx0\r\n\r\n" + HIDDEN),
    "a line feed in the address": post(line=b"GET /healthz\n HTTP/1.1"),
    "a space in the address": post(line=b"GET /health z HTTP/1.1"),
    "a version of two lines": post(line=b"GET /healthz HTTP/1.1\rX: y"),
    "an unknown version": post(line=b"GET /healthz HTTP/3.7"),
    "a method in small letters": post(line=b"get /healthz HTTP/1.1"),
}

HANDSHAKES: dict[str, bytes] = {
    "a body in chunks": b"Transfer-Encoding: chunked",
    "a body": b"Content-Length: 5",
    "two lengths of nothing": b"Content-Length: 0\r\nContent-Length: 5",
    "a folded header": b"X-One: 1\r\n two",
    "a carriage return in a value": b"X-One: 1\rX-Two: 2",
    "a null in a value": b"X-One: 1\x00",
    "a space before the colon": b"X-One : 1",
    "a second host": b"Host: elsewhere",
    "a second key": b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "a line feed in a subprotocol": b"Sec-WebSocket-Protocol: realtime.v1\n, x",
    "a subprotocol that is no name": b"Sec-WebSocket-Protocol: realtime.v1\x1b[2J",
    "a subprotocol twice": b"Sec-WebSocket-Protocol: realtime.v1, realtime.v1",
}
"""What stands beside the headers of an opening handshake that would be good without it."""
