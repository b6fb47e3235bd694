"""What a client writes: handshakes, and frames of its own, masked."""

from __future__ import annotations

from collections.abc import Mapping

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # any will do: the answer to it is not looked at


def websocket_request(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The handshake of a WebSocket."""
    own = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
    return _request("GET", path, {**own, **(headers or {})})


def get_request(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """A request without a body."""
    return _request("GET", path, headers or {})


def post_request(path: str, body: bytes) -> bytes:
    """A request with one."""
    return _request("POST", path, {"Content-Length": str(len(body))}) + body


def text_frame(payload: bytes) -> bytes:
    """A client's text frame. Masked with zeros, as RFC 6455 allows and costs nothing."""
    size = len(payload)
    if size < 126:
        head = bytes([0x81, 0x80 | size])
    elif size < 1 << 16:
        head = bytes([0x81, 0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x81, 0x80 | 127]) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


def _request(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
