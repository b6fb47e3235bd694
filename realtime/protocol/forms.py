"""The other forms of a finished JSON frame: MessagePack, and a chunk of an SSE stream.

Separate because they are made from the frame's bytes alone, once for all subscribers and only where one wants
them.
"""

from __future__ import annotations

import json

import msgspec

_BREAKS = frozenset("\r\n\0")
_NO_BREAKS = bytes.maketrans(b"\r\n", b"  ")
_LEAST, _MOST = -(2**63), 2**64 - 1


def to_msgpack(frame: bytes) -> bytes:
    """The same message in MessagePack. Integers beyond its 64 bits become text: exact, like money."""
    try:
        return msgspec.msgpack.encode(msgspec.json.decode(frame))
    except OverflowError:
        return msgspec.msgpack.encode(json.loads(frame, parse_int=_integer_or_text))


def sse_chunk(frame: bytes, type: str, cursor: str | None) -> bytes:
    """The frame as one event of a stream. Without a cursor the client keeps the one it has.

    Raises ValueError for a type or cursor that would break out of its line.
    """
    head = f"id: {_line(cursor)}\nevent: {_line(type)}\ndata: " if cursor else f"event: {_line(type)}\ndata: "
    if b"\n" in frame or b"\r" in frame:  # in JSON only ever between tokens, where a space is as good
        frame = frame.translate(_NO_BREAKS)
    return b"%b%b\n\n" % (head.encode(), frame)


def sse_keepalive(cursor: str) -> bytes:
    """An id line and a blank line: no event, but proxies stay open and the client's cursor fresh."""
    return f"id: {_line(cursor)}\n\n".encode()


def sse_retry(milliseconds: int) -> bytes:
    """How long an EventSource is to wait before it comes back."""
    return b"retry: %d\n\n" % milliseconds


def _line(text: str) -> str:
    if not _BREAKS.isdisjoint(text):
        raise ValueError("a line break or NUL cannot stand in a line of a stream")
    return text


def _integer_or_text(digits: str) -> int | str:
    number = int(digits)
    return number if _LEAST <= number <= _MOST else digits
