"""One entry of the log as processes hand it around, and a run of them.

Apart from the model so that everything which thinks about entries works without a database.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

RIGHTS_CHANGED = "RightsChanged"
SESSIONS_ENDED = "SessionsEnded"
CONTROL_PREFIX = "control:"


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An event at its place. ``data`` is its JSON, byte for byte; ``id`` the event's UUID as text.

    One with ``ack`` wants an acknowledgement until ``expires``, in seconds of the epoch, or until another on its topic
    is ``about`` the same.
    """

    position: int
    topic: str
    seq: int
    id: str
    type: str
    data: str
    timestamp: str
    ack: bool = False
    expires: float = 0.0
    about: str = ""

    @property
    def is_control(self) -> bool:
        """Whether it changes rights rather than data; such entries are never sent to a client."""
        return self.topic.startswith(CONTROL_PREFIX)

    @property
    def check(self) -> int:
        """16 bits of the id, by which a cursor knows this entry again: the last ones, random in a UUIDv7."""
        return int(self.id[-4:], 16)


class RightsChange(msgspec.Struct, frozen=True):
    """The data of a control entry ``RightsChanged``: topics one user may now read, and no longer may.

    ``offered`` could be read before and come without asking from now on: no replay begins at this place for them.
    """

    user_id: str
    gained: list[str] = []
    lost: list[str] = []
    offered: list[str] = []


class Batch(msgspec.Struct, array_like=True, frozen=True):
    """Entries ``first`` to ``last`` of the log, without a gap. ``entries`` is empty when only the places are named.

    ``before`` is the check of the entry they follow; None from a process of a version that did not say it.
    """

    epoch: str
    first: int
    last: int
    entries: list[Entry] = []
    before: int | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)


def encode_batch(batch: Batch) -> bytes:
    """The batch as MessagePack, for the channel layer."""
    return _encoder.encode(batch)


def decode_batch(raw: bytes) -> Batch:
    """Read a batch; raise ValueError for anything that is none, or that has not the entries it names."""
    try:
        batch = _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("not a batch") from error
    if not 0 < batch.first <= batch.last:
        raise ValueError("a batch's places must grow")
    if batch.entries and not _is_whole(batch):
        raise ValueError("a batch must hold each of its places once, in order")
    return batch


def _is_whole(batch: Batch) -> bool:
    if len(batch.entries) != batch.last - batch.first + 1:
        return False
    places = enumerate(batch.entries, batch.first)
    return all(entry.position == place and str(UUID(entry.id)) == entry.id for place, entry in places)
