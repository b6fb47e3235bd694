"""What was done, and what came of it, while something was broken: all that the checker judges.

Separate from the checker and from those who take it down: it knows no server, and judges nothing. Times are seconds of
the machine's monotonic clock, which all of its processes share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Outcome = Literal["committed", "undone", "unknown"]
"""``unknown``: whoever wrote it was never answered. The database knows."""


class Write(NamedTuple):
    """One change of one row, as its writer knows it. ``mark`` is the row's description from then on, and no other's."""

    mark: str
    action: str
    topics: tuple[str, ...]
    began: float
    ended: float
    outcome: Outcome


class Right(NamedTuple):
    """A topic that a user was given or lost, as whoever did it knows."""

    user: str
    topic: str
    gained: bool
    began: float
    ended: float
    outcome: Outcome


class Entry(NamedTuple):
    """One row of the log. ``row``, ``version`` and ``mark`` are of what it tells, as far as that has them."""

    position: int
    topic: str
    seq: int
    id: str
    type: str
    row: str = ""
    action: str = ""
    version: int = 0
    mark: str = ""


class Control(NamedTuple):
    """A control entry of the log: the topics that one user gained and lost."""

    position: int
    user: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]


class Row(NamedTuple):
    """A row of the ledger, as it is in the end."""

    id: str
    version: int
    mark: str
    topics: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Log:
    """One history of the log behind ``start``. ``readers`` are each user's topics there.

    One that a restore has taken away was read while it was there, and is ``is_whole`` False: what its clients had not
    been sent by then never comes.
    """

    start: int
    entries: list[Entry]
    readers: Mapping[str, frozenset[str]]
    seqs: Mapping[str, int] = field(default_factory=dict)  # each topic's newest at the start
    controls: list[Control] = field(default_factory=list)
    is_whole: bool = True


class Heard(NamedTuple):
    """One event as it came. ``position`` is None for one that bore no cursor."""

    at: float
    topic: str
    seq: int
    id: str
    position: int | None = None
    mark: str = ""
    action: str = ""


class End(NamedTuple):
    """How a connection ended, or was refused, that the client had not ended itself: a close code, or a word.

    ``since`` is when its last word came, or else when it was begun.
    """

    at: float
    transport: str
    how: str
    since: float

    @property
    def of(self) -> float:
        """The moment that it is a consequence of: that a line is silent is noticed long after it began to be."""
        return self.since if self.how == "silent" else self.at


@dataclass
class Chapter:
    """What a client was sent of one history, from ``start`` on.

    ``snapshots``: topics that were new to it, with the seq up to which it has to fetch the present state instead.
    """

    start: int
    heard: list[Heard] = field(default_factory=list)
    snapshots: dict[str, int] = field(default_factory=dict)


@dataclass
class Client:
    """One client, over all of its connections.

    ``topics`` are those it has whenever its user may read them; ``named`` is what it asks for by name, else None.
    """

    name: str
    user: str
    topics: frozenset[str]
    named: tuple[str, ...] | None = field(default=None, kw_only=True)
    chapters: list[Chapter] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    resets: list[tuple[float, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class History:
    """All of it. ``rows`` are the ledger's in the end, of those that were written meanwhile."""

    logs: list[Log]
    writes: list[Write]
    clients: list[Client]
    rights: list[Right] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    struck: float = 0.0
    healed: float = math.inf  # with what the healing itself may still end
    explained_ends: frozenset[str] = frozenset()
    explained_resets: frozenset[str] = frozenset()
