"""The client's text of a place in the log.

Separate because every transport takes and gives cursors, and must agree to the letter on what is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

MAX_POSITION = 2**63 - 1
MAX_TIME = 2**40 - 1
MAX_LENGTH = 16 + 1 + 19 + 1 + 4 + 1 + 10 + 1 + 19

# [0-9] and not \d: int() takes digits of every script, and one place must have one spelling.
_PLACE = r"0|[1-9][0-9]{0,18}"
_FORM = re.compile(rf"([0-9a-z]{{1,16}})-({_PLACE})-([0-9a-f]{{4}})(?:-(0|[1-9a-f][0-9a-f]{{0,9}})(?:-({_PLACE}))?)?")


class InvalidCursor(ValueError):
    """The text is no cursor this server has ever given."""


@dataclass(frozen=True, slots=True)
class Line:
    """What makes one poll the next one of another: when that was answered, in seconds of the epoch.

    Up to the place ``given``, what its user has not acknowledged was given again; None: all of it was.
    """

    at: int
    given: int | None = None

    def encode(self) -> str:
        """The end of a cursor that a poll gave."""
        return f"-{self.at:x}" if self.given is None else f"-{self.at:x}-{self.given}"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place just after the entry at ``position`` of the history ``epoch``.

    ``check`` holds 16 bits of that entry's id, so that a history restored without a new epoch is still told
    apart. It is 0 at position 0, where no entry is. ``line``, which says nothing of the place, is there where a poll
    gave it.
    """

    epoch: str
    position: int
    check: int
    line: Line | None = None

    def encode(self) -> str:
        """The cursor as short, URL-safe text: ``k3f9-10482-1a2b``, and what follows it from a poll."""
        return f"{self.epoch}-{self.position}-{self.check:04x}{self.line.encode() if self.line else ''}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read back exactly what ``encode`` writes; raise InvalidCursor for anything else."""
        match = _FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if match is None or max(int(match[2]), int(match[5] or 0)) > MAX_POSITION:
            raise InvalidCursor("not a cursor")
        line = Line(int(match[4], 16), int(match[5]) if match[5] else None) if match[4] else None
        return cls(match[1], int(match[2]), int(match[3], 16), line)


def check_of(event_id: UUID) -> int:
    """The last 16 bits of an entry's id: random ones, as those of a UUIDv7 that tell the time come first."""
    return event_id.int & 0xFFFF
