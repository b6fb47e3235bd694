"""One entry of the log in the forms that clients read, each encoded once and only when somebody wants it.

Separate from the builders so that ten thousand subscribers of one event share the same bytes.
"""

from __future__ import annotations

from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Entry
from realtime.protocol.messages import event_frame, sse_chunk, to_msgpack


class Frame:
    """The frame of one entry. ``replayed`` when read back from the log; ``placed`` False leaves the cursor out."""

    __slots__ = ("_json", "_msgpack", "_sse", "_text", "entry", "epoch", "placed", "replayed")

    def __init__(self, entry: Entry, epoch: str, *, replayed: bool = False, placed: bool = True) -> None:
        self.entry = entry
        self.epoch = epoch
        self.replayed = replayed
        self.placed = placed
        self._json: bytes | None = None
        self._text: str | None = None
        self._sse: bytes | None = None
        self._msgpack: bytes | None = None

    @property
    def cursor(self) -> str | None:
        """The place just after this event, or None where it gives none."""
        entry = self.entry
        return Cursor(self.epoch, entry.position, entry.check).encode() if self.placed else None

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
