"""What processes say to each other about operations: of themselves, what they ask, and what they are told to do.

Group messages of the second kind: not logged, nothing promised. Separate so that it can be read without knowing who
says it when.
"""

from __future__ import annotations

import msgspec

from realtime.desk.connections import Answer, Close, Question
from realtime.desk.figures import Figures

MESSAGE_TYPE = "realtime.desk"


class Watching(msgspec.Struct, frozen=True, tag=True):
    """Somebody looks at the figures of all processes: say yours for the next while."""

    process: str


class Told(msgspec.Struct, frozen=True, tag=True):
    """How a process is doing."""

    process: str
    figures: Figures


class Asked(msgspec.Struct, frozen=True, tag=True):
    """Everybody is to answer, or to do, this. The answer bears the same ``number``."""

    process: str
    number: int
    request: Question | Close


class Answered(msgspec.Struct, frozen=True, tag=True):
    """What a process answers the one that asked."""

    process: str
    to: str
    number: int
    answer: Answer


Word = Watching | Told | Asked | Answered

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)


def encode(word: Word) -> bytes:
    """The word as bytes, for the channel layer."""
    return _encoder.encode(word)


def decode(raw: object) -> Word:
    """Read a word; raise ValueError for anything that is none."""
    try:
        return _decoder.decode(raw)  # type: ignore[arg-type]  # what is no bytes is refused like bytes that are no word
    except (msgspec.DecodeError, TypeError, RecursionError) as error:
        raise ValueError("not a word about operations") from error
