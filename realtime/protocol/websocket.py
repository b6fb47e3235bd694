"""The frames of RFC 6455 as a server writes them: bytes in, bytes out.

Apart from any server, so that a message to ten thousand clients is framed once, wherever they are connected.
"""

from __future__ import annotations

from enum import IntEnum

CONTROL_PAYLOAD = 125  # bytes a control frame may carry
REASON_BYTES = CONTROL_PAYLOAD - 2  # bytes of a close reason, behind its code

_FIN = 0x80


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


def text_frame(payload: bytes) -> bytes:
    """Return one whole text message. ``payload`` is UTF-8; this is not checked."""
    return _header(Opcode.TEXT, len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """Return one whole binary message."""
    return _header(Opcode.BINARY, len(payload)) + payload


def ping_frame(payload: bytes = b"") -> bytes:
    """Return a ping. Raises ValueError when the payload is too long for a control frame."""
    return _control(Opcode.PING, payload)


def pong_frame(payload: bytes = b"") -> bytes:
    """Return a pong. Raises ValueError when the payload is too long for a control frame."""
    return _control(Opcode.PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close; a reason that is too long is cut at a character.

    Raises ValueError for a code that no endpoint may send.
    """
    if not may_close_with(code):
        raise ValueError(f"no close frame may carry the code {code}")
    return _control(Opcode.CLOSE, code.to_bytes(2, "big") + _cut(reason.encode()))


def may_close_with(code: int) -> bool:
    """Whether a close frame may carry the code: 1005, 1006 and 1015 stand for frames that never came."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def _cut(reason: bytes) -> bytes:
    if len(reason) <= REASON_BYTES:
        return reason
    return reason[:REASON_BYTES].decode(errors="ignore").encode()


def _control(opcode: Opcode, payload: bytes) -> bytes:
    if len(payload) > CONTROL_PAYLOAD:
        raise ValueError(f"a control frame carries at most {CONTROL_PAYLOAD} bytes, not {len(payload)}")
    return _header(opcode, len(payload)) + payload


def _header(opcode: int, size: int) -> bytes:
    first = _FIN | opcode
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")
