"""What is fuzzed: each target takes any bytes and raises AssertionError where a promise does not hold.

All of them are pure, so that a found input is the whole story.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType

from realtime.protocol import commands, cursor, entry, reading, unpacking
from realtime.protocol.commands import parse_command
from realtime.protocol.cursor import MAX_POSITION, Cursor, InvalidCursor
from realtime.protocol.entry import decode_batch, encode_batch
from realtime.protocol.errors import ProtocolError
from realtime.server import frames, handshake
from realtime.server.frames import Close, Event, FrameReader, Violation

LARGEST = 4096  # bytes of a handshake or a command
LARGEST_MESSAGE = 64  # bytes over all fragments: small inputs are to break the limit
MOST_HEADERS = 20

Target = Callable[[bytes], None]


def read_frames(data: bytes) -> None:
    """However the bytes are cut, the same is read; nothing follows an end, and no message is over the limit."""
    whole = _events([data])
    assert _events([data[at : at + 1] for at in range(len(data))]) == whole
    assert _events([data[: len(data) // 3], data[len(data) // 3 :]]) == whole
    for event in whole[:-1]:
        assert not isinstance(event, Close | Violation)
    for event in whole:
        if isinstance(event, str | bytes):
            assert len(event.encode() if isinstance(event, str) else event) <= LARGEST_MESSAGE


def read_handshake(data: bytes) -> None:
    """It is a request, needs more, or is refused with a whole answer; no part of it holds the end of a line."""
    try:
        parsed = handshake.parse(data, largest=LARGEST, most_headers=MOST_HEADERS)
    except handshake.Refused as refused:
        answer = refused.response()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 4")
        assert b"content-length: %d" % len(body) in head
        return
    if parsed is None:
        return
    request, rest = parsed
    assert data.endswith(rest)
    for part in (request.raw_path, request.query, *(part for header in request.headers for part in header)):
        assert not set(part) & set(b"\r\n\x00")
    opened = handshake.accepted(request, [], request.subprotocols[0] if request.subprotocols else None)
    assert opened.count(b"\r\n\r\n") == 1


def read_command(data: bytes) -> None:
    """A message in JSON is a command or is refused with a code, and the refusal can be sent."""
    _command(data.decode("utf-8", "surrogateescape"), msgpack=False)


def read_packed_command(data: bytes) -> None:
    """The same in MessagePack."""
    _command(data, msgpack=True)


def read_cursor(data: bytes) -> None:
    """A text that is taken for a cursor is the one that its place is written as."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        parsed = Cursor.parse(text)
    except InvalidCursor:
        return
    assert parsed.encode() == text
    assert parsed.position <= MAX_POSITION  # what a database can hold


def read_batch(data: bytes) -> None:
    """What another process said is a whole run of entries, or a ValueError."""
    try:
        batch = decode_batch(data)
    except ValueError:
        return
    assert 0 < batch.first <= batch.last
    assert [each.position for each in batch.entries] in ([], list(range(batch.first, batch.last + 1)))
    assert decode_batch(encode_batch(batch)) == batch
    assert all(0 <= each.check <= 0xFFFF for each in batch.entries)


TARGETS: dict[str, tuple[Target, tuple[ModuleType, ...]]] = {
    "frames": (read_frames, (frames,)),
    "handshake": (read_handshake, (handshake,)),
    "command": (read_command, (commands, reading)),
    "packed-command": (read_packed_command, (commands, unpacking)),
    "cursor": (read_cursor, (cursor,)),
    "batch": (read_batch, (entry,)),
}
"""Each with the modules whose lines it is to reach."""


def _events(pieces: list[bytes]) -> list[Event]:
    reader, events = FrameReader(LARGEST_MESSAGE), list[Event]()
    for piece in pieces:
        reader.feed(piece)
        while (event := reader.next()) is not None:
            events.append(event)
    return events


def _command(raw: str | bytes, *, msgpack: bool) -> None:
    answer = _answer(raw, msgpack=msgpack)
    if isinstance(answer, ProtocolError):
        assert json.loads(answer.body).keys() == {"code", "message"}
    else:
        assert isinstance(answer, commands.COMMANDS)


def _answer(raw: str | bytes, *, msgpack: bool) -> object:
    try:
        return parse_command(raw, max_size=LARGEST, max_depth=8, max_keys=20, msgpack=msgpack)
    except ProtocolError as refusal:
        return refusal
