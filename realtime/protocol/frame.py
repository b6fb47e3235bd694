"""One entry of the log in the forms that clients read, each encoded once and only when somebody wants it.

Separate from the builders so that ten thousand subscribers of one event share the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from realtime.protocol.chunked import chunk
from realtime.protocol.cursor import Cursor, Line
from realtime.protocol.entry import Entry
from realtime.protocol.messages import event_frame, sse_chunk, to_msgpack
from realtime.protocol.websocket import binary_frame, text_frame

Form = Literal["wire", "wire_binary", "wire_sse"]
"""The forms of a frame that need nothing more before they go onto a connection; each an attribute of Frame."""


class Frame:
    """The frame of one entry. ``replayed`` when read back from the log; ``placed`` False leaves the cursor out.

    In the answer to a poll its cursor bears the ``line``.
    """

    __slots__ = (
        "_json",
        "_msgpack",
        "_sse",
        "_text",
        "_wire",
        "_wire_binary",
        "_wire_sse",
        "check",
        "entry",
        "epoch",
        "line",
        "placed",
        "position",
        "replayed",
    )

    def __init__(
        self, entry: Entry, epoch: str, *, replayed: bool = False, placed: bool = True, line: Line | None = None
    ) -> None:
        self.entry = entry
        self.position = entry.position
        self.check = entry.check
        self.epoch = epoch
        self.replayed = replayed
        self.placed = placed
        self.line = line
        self._json: bytes | None = None
        self._text: str | None = None
        self._sse: bytes | None = None
        self._msgpack: bytes | None = None
        self._wire: bytes | None = None
        self._wire_binary: bytes | None = None
        self._wire_sse: bytes | None = None

    @property
    def cursor(self) -> str | None:
        """The place just after this event, or None where it gives none."""
        return Cursor(self.epoch, self.position, self.check, self.line).encode() if self.placed else None

    @property
    def json(self) -> bytes:
        """The envelope as JSON text."""
        if self._json is None:
            entry = self.entry
            self._json = event_frame(
                entry.type,
                entry.topic,
                entry.seq or None,  # 0: ephemeral, not kept
                self.cursor,
                entry.id,
                entry.timestamp,
                entry.data,
                entry.ack,
                self.replayed,
            )
        return self._json

    @property
    def text(self) -> str:
        """The envelope as text, as ASGI servers take it."""
        if self._text is None:
            self._text = self.json.decode()
        return self._text

    @property
    def sse(self) -> bytes:
        """The envelope as one chunk of an event stream."""
        if self._sse is None:
            self._sse = sse_chunk(self.json, self.entry.type, self.cursor)
        return self._sse

    @property
    def msgpack(self) -> bytes:
        """The envelope as MessagePack."""
        if self._msgpack is None:
            self._msgpack = to_msgpack(self.json)
        return self._msgpack

    @property
    def wire(self) -> bytes:
        """The envelope as a whole WebSocket text message."""
        if self._wire is None:
            self._wire = text_frame(self.json)
        return self._wire

    @property
    def wire_binary(self) -> bytes:
        """The envelope as a whole WebSocket binary message, in MessagePack."""
        if self._wire_binary is None:
            self._wire_binary = binary_frame(self.msgpack)
        return self._wire_binary

    @property
    def wire_sse(self) -> bytes:
        """The envelope as one chunk of an event stream, in one chunk of an HTTP body."""
        if self._wire_sse is None:
            self._wire_sse = chunk(self.sse)
        return self._wire_sse


def joined(frames: Sequence[Frame], form: Form, most: int) -> list[bytes]:
    """The frames in one form, in order, in few pieces: none is longer than ``most`` but for a frame that is."""
    if len(frames) == 1:
        return [getattr(frames[0], form)]
    pieces: list[bytes] = []
    piece: list[bytes] = []
    size = 0
    for frame in frames:
        data: bytes = getattr(frame, form)
        if piece and size + len(data) > most:
            pieces.append(b"".join(piece))
            piece, size = [], 0
        piece.append(data)
        size += len(data)
    pieces.append(b"".join(piece))
    return pieces
