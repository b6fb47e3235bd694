"""Reads what a WebSocket client sends: bytes in, however they were cut, messages out, one at a time.

Pure: no sockets, no clock. Nothing is parsed before somebody asks, so that whoever stops asking also stops the
client. What RFC 6455 forbids ends the reading, as early as it can be known.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from realtime.protocol.websocket import CONTROL_PAYLOAD, Opcode, may_close_with

NO_CODE: Final = 1005  # what a close without a code is told as
PROTOCOL_ERROR: Final = 1002
BAD_DATA: Final = 1007
TOO_BIG: Final = 1009

_FIN, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_MASKED, _SIZE = 0x80, 0x7F
_SHORT = 125  # bytes of the longest payload whose length fits the second byte
_LONGEST_HEADER = 14
_CONTROL = 0x8  # this bit of an opcode makes it a control frame

_utf8_decoder = codecs.getincrementaldecoder("utf-8")


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping, to be answered with a pong of the same payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """A pong, asked for or not."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The client closes; nothing follows."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Violation:
    """The client broke the protocol or a limit: close with this code; nothing follows."""

    code: int
    reason: str


Event = str | bytes | Ping | Pong | Close | Violation
"""A whole text message, a whole binary message, or a control frame."""


class FrameReader:
    """The frames of one client. ``largest`` bounds a message, in bytes, over all its fragments."""

    __slots__ = ("_at", "_data", "_frame", "_largest", "_message", "_over")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._data = b""
        self._at = 0  # how much of the data is read: cutting it off each time would copy the rest for each frame
        self._frame: _Frame | None = None  # whose payload has begun to arrive
        self._message: _Message | None = None  # whose last fragment has not come
        self._over = False

    def feed(self, data: bytes) -> None:
        """Take what has arrived. Kept until it is asked for; ignored after a close or a violation."""
        if not self._over:
            self._data = self._data[self._at :] + data if self._at < len(self._data) else data
            self._at = 0

    def next(self) -> Event | None:
        """Return the next message or control frame, or None when more bytes are needed."""
        try:
            return self._next()
        except _Broken as broken:
            return self._end(Violation(broken.code, broken.reason))

    def _next(self) -> Event | None:
        while self._at < len(self._data):
            if self._frame is None:
                event, is_whole = self._take_small()
                if is_whole:
                    return event
                if not self._begin():
                    return None
            if (frame := self._fill()) is None:
                return None
            if frame.opcode & _CONTROL:
                return self._control(frame.opcode, bytes(frame.payload))
            if frame.final:
                return self._finish_message()
        self._data, self._at = b"", 0
        return None

    def _take_small(self) -> tuple[Event | None, bool]:
        """Take a frame of the common kind in one step: a short message, unfragmented, masked and all there."""
        data, at = self._data, self._at
        if len(data) < at + 6 or self._message is not None:
            return None, False
        opcode, size = data[at] ^ _FIN, data[at + 1] ^ _MASKED
        end = at + 6 + size
        if opcode not in (Opcode.TEXT, Opcode.BINARY) or size > min(_SHORT, self._largest) or len(data) < end:
            return None, False
        payload = unmask(data[at + 6 : end], data[at + 2 : at + 6])
        self._at = end
        if opcode == Opcode.BINARY:
            return payload, True
        try:
            return payload.decode(), True
        except UnicodeDecodeError:
            raise _not_utf8() from None

    def _begin(self) -> bool:
        """Read a frame's header, if it is all there. Raises _Broken for one that may not be."""
        data = self._data[self._at : self._at + _LONGEST_HEADER]
        if len(data) < 2:
            return False
        first, second = data[0], data[1]
        opcode, final, size = first & _OPCODE, bool(first & _FIN), second & _SIZE
        self._check(first, second, opcode, final, size)
        wide = {126: 2, 127: 8}.get(size, 0)
        start = 2 + wide
        if wide:
            if len(data) < start:
                return False
            size = _long_size(data[2:start])
        self._check_size(opcode, size)
        if len(data) < start + 4:
            return False
        self._at += start + 4
        self._frame = self._open(opcode, final, size, data[start : start + 4])
        return True

    def _check(self, first: int, second: int, opcode: int, final: bool, size: int) -> None:
        if first & _RESERVED:
            raise _Broken(PROTOCOL_ERROR, "reserved bits are set")
        if not second & _MASKED:
            raise _Broken(PROTOCOL_ERROR, "the frame is not masked")
        if opcode & _CONTROL:
            _check_control(opcode, final, size)
        elif opcode in (Opcode.TEXT, Opcode.BINARY):
            if self._message is not None:
                raise _Broken(PROTOCOL_ERROR, "a new message begins before the last one ended")
        elif opcode != Opcode.CONTINUATION:
            raise _Broken(PROTOCOL_ERROR, "there is no such opcode")
        elif self._message is None:
            raise _Broken(PROTOCOL_ERROR, "there is no message to continue")

    def _check_size(self, opcode: int, size: int) -> None:
        before = len(self._message.payload) if self._message is not None else 0
        if not opcode & _CONTROL and before + size > self._largest:
            raise _Broken(TOO_BIG, f"a message may have {self._largest} bytes")

    def _open(self, opcode: int, final: bool, size: int, key: bytes) -> _Frame:
        if opcode in (Opcode.TEXT, Opcode.BINARY):
            self._message = _Message(is_text=opcode == Opcode.TEXT)
        if opcode & _CONTROL or self._message is None:
            return _Frame(opcode, final, size, key, bytearray())
        return _Frame(opcode, final, size, key, self._message.payload)

    def _fill(self) -> _Frame | None:
        """Take what there is of the payload; return the frame once all of it has come."""
        frame = self._frame
        assert frame is not None
        part = self._data[self._at : self._at + frame.missing]
        self._at += len(part)
        part = frame.take(part)
        message = self._message
        if message is not None and not frame.opcode & _CONTROL:
            message.check(part, is_last=frame.final and not frame.missing)
        if frame.missing:
            return None
        self._frame = None
        return frame

    def _finish_message(self) -> str | bytes:
        message, self._message = self._message, None
        assert message is not None
        return message.payload.decode() if message.is_text else bytes(message.payload)

    def _control(self, opcode: int, payload: bytes) -> Event:
        if opcode == Opcode.PING:
            return Ping(payload)
        if opcode == Opcode.PONG:
            return Pong(payload)
        return self._end(_close(payload))

    def _end(self, event: Close | Violation) -> Event:
        self._over = True
        self._data, self._at, self._frame, self._message = b"", 0, None, None
        return event


class _Frame:
    """A frame while its payload arrives."""

    __slots__ = ("_key", "final", "missing", "opcode", "payload")

    def __init__(self, opcode: int, final: bool, size: int, key: bytes, payload: bytearray) -> None:
        self.opcode = opcode
        self.final = final
        self.missing = size
        self.payload = payload  # a message's, shared by its fragments, or a control frame's own
        self._key = key

    def take(self, part: bytes) -> bytes:
        """Add a part of the payload; return it unmasked."""
        part = unmask(part, self._key)
        turned = len(part) % 4  # the next part begins in the middle of the key
        self._key = self._key[turned:] + self._key[:turned]
        self.payload += part
        self.missing -= len(part)
        return part


class _Message:
    """A message while its fragments arrive."""

    __slots__ = ("_decoder", "is_text", "payload")

    def __init__(self, *, is_text: bool) -> None:
        self.is_text = is_text
        self.payload = bytearray()
        self._decoder = _utf8_decoder() if is_text else None

    def check(self, part: bytes, *, is_last: bool) -> None:
        """Raise _Broken as soon as the text so far is the beginning of nothing in UTF-8."""
        if self._decoder is not None:
            try:
                self._decoder.decode(part, final=is_last)
            except UnicodeDecodeError:
                raise _not_utf8() from None


class _Broken(Exception):
    """A violation on its way out."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def _not_utf8() -> _Broken:
    return _Broken(BAD_DATA, "the text is not UTF-8")


def unmask(payload: bytes, key: bytes) -> bytes:
    """Return the payload as it was before the client masked it."""
    size = len(payload)
    # One addition over a long number is many times faster than a loop over the bytes.
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def _check_control(opcode: int, final: bool, size: int) -> None:
    if opcode not in (Opcode.CLOSE, Opcode.PING, Opcode.PONG):
        raise _Broken(PROTOCOL_ERROR, "there is no such opcode")
    if not final:
        raise _Broken(PROTOCOL_ERROR, "a control frame is fragmented")
    if size > CONTROL_PAYLOAD:
        raise _Broken(PROTOCOL_ERROR, "a control frame is too long")


def _long_size(field: bytes) -> int:
    """Read a length of two or eight bytes."""
    size = int.from_bytes(field, "big")
    if size >> 63:
        raise _Broken(PROTOCOL_ERROR, "a length is negative")
    if size < (126 if len(field) == 2 else 65536):
        raise _Broken(PROTOCOL_ERROR, "a length is not written as short as it can be")
    return size


def _close(payload: bytes) -> Close | Violation:
    if not payload:
        return Close(NO_CODE, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not may_close_with(code):
        return Violation(PROTOCOL_ERROR, "the close has no valid code")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError:
        return Violation(BAD_DATA, "the reason is not UTF-8")
