"""Reading MessagePack that strangers wrote: the part of it that JSON has too, and nothing else.

Separate and written out because msgspec keeps the last of two equal keys, takes NaN, and does not bound
nesting.
"""

from __future__ import annotations

import struct
from typing import Any

from realtime.protocol.reading import Unreadable, finite, too_many_keys, unique

_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_STRINGS = {0xD9: 1, 0xDA: 2, 0xDB: 4}  # how many bytes the length takes
_ARRAYS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}


def read_msgpack(raw: bytes, *, max_depth: int, max_keys: int) -> Any:
    """The one value that ``raw`` holds; raise Unreadable for anything JSON could not say."""
    reader = _Reader(raw, max_keys)
    value = reader.value(max_depth)
    if reader.at != len(raw):
        raise Unreadable("something follows the message")
    return value


class _Reader:
    """The bytes, how far they have been read, and how many keys were found of those that may be."""

    __slots__ = ("at", "keys", "max_keys", "raw")

    def __init__(self, raw: bytes, max_keys: int) -> None:
        self.raw = raw
        self.at = 0
        self.keys = 0
        self.max_keys = max_keys

    def value(self, depth: int) -> Any:
        """The value that begins here, nested at most ``depth`` deep."""
        first = self.take(1)[0]
        if first <= 0x7F:
            return first
        if first >= 0xE0:
            return first - 256
        if 0xA0 <= first <= 0xBF:
            return self.text(first & 0x1F)
        if first <= 0x9F:
            return self.map(first & 0x0F, depth) if first <= 0x8F else self.array(first & 0x0F, depth)
        return self.long_form(first, depth)

    def long_form(self, first: int, depth: int) -> Any:
        """A value whose first byte names its type alone."""
        if first in _STRINGS:
            return self.text(self.length(_STRINGS[first]))
        if first in _NUMBERS:
            return self.number(_NUMBERS[first])
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _MAPS:
            return self.map(self.length(_MAPS[first]), depth)
        if first in _ARRAYS:
            return self.array(self.length(_ARRAYS[first]), depth)
        raise Unreadable("it holds bytes or an extension, which JSON has not")

    def map(self, size: int, depth: int) -> dict[str, Any]:
        inner = _inside(depth)
        self.keys += size
        if self.keys > self.max_keys:
            raise too_many_keys(self.max_keys)
        return unique([(self.key(), self.value(inner)) for _ in range(self.fitting(size * 2) // 2)])

    def array(self, size: int, depth: int) -> list[Any]:
        inner = _inside(depth)
        return [self.value(inner) for _ in range(self.fitting(size))]

    def key(self) -> str:
        key = self.value(0)
        if not isinstance(key, str):
            raise Unreadable("a key is not text")
        return key

    def text(self, size: int) -> str:
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise Unreadable("its text is not Unicode") from error

    def number(self, form: str) -> int | float:
        number: int | float = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return finite(number) if isinstance(number, float) else number

    def length(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def fitting(self, size: int) -> int:
        """``size``, if that many values can still follow: a lie about it must not cost anything."""
        if size > len(self.raw) - self.at:
            raise Unreadable("it ends too early")
        return size

    def take(self, size: int) -> bytes:
        chunk = self.raw[self.at : self.at + size]
        if len(chunk) < size:
            raise Unreadable("it ends too early")
        self.at += size
        return chunk


def _inside(depth: int) -> int:
    if depth <= 0:
        raise Unreadable("it is nested too deeply", "MAX_DEPTH")
    return depth - 1
