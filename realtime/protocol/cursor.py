"""The client's text of a place in the log.

Separate because every transport takes and gives cursors, and must agree to the letter on what is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

MAX_POSITION = 2**63 - 1
MAX_LENGTH = 16 + 1 + 19 + 1 + 4

# [0-9] and not \d: int() takes digits of every script, and one place must have one spelling.
_FORM = re.compile(r"([0-9a-z]{1,16})-(0|[1-9][0-9]{0,18})-([0-9a-f]{4})")


class InvalidCursor(ValueError):
    """The text is no cursor this server has ever given."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place just after the entry at ``position`` of the history ``epoch``.

    ``check`` holds 16 bits of that entry's id, so that a history restored without a new epoch is still told
    apart. It is 0 at position 0, where no entry is.
    """

    epoch: str
    position: int
    check: int

    def encode(self) -> str:
        """The cursor as short, URL-safe text: ``k3f9-10482-1a2b``."""
        return f"{self.epoch}-{self.position}-{self.check:04x}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read back exactly what ``encode`` writes; raise InvalidCursor for anything else."""
        match = _FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if match is None or int(match[2]) > MAX_POSITION:
            raise InvalidCursor("not a cursor")
        return cls(match[1], int(match[2]), int(match[3], 16))


def check_of(event_id: UUID) -> int:
    """The last 16 bits of an entry's id: random ones, as those of a UUIDv7 that tell the time come first."""
    return event_id.int & 0xFFFF
