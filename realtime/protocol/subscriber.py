"""What one client has been sent of the log, and what it may be sent next.

Pure logic, no I/O. Transports ask here and obey, so that none can answer differently from the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import CONTROL_PREFIX, RIGHTS_CHANGED, SESSIONS_ENDED, Entry, RightsChange

Reason = Literal["trimmed", "epoch", "ahead"]


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send this entry."""


@dataclass(frozen=True, slots=True)
class Revoke:
    """Say that these topics were taken away; they are left already."""

    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gain:
    """These topics may be read from this position on; join those the client should have."""

    topics: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class End:
    """Close: signed out, deactivated, or access taken away."""


Order = Deliver | Revoke | Gain | End
DELIVER = Deliver()
NOTHING: tuple[Order, ...] = ()
ONLY_DELIVER: tuple[Order, ...] = (DELIVER,)


class Subscriber:
    """One client's place in the log: epoch, topics, position sent, position of its rights.

    ``topics`` maps each topic to the position behind which its entries may be sent: 0, or the latest joining. It is
    replaced, never changed: of ten thousand clients, most have what another has, and share it.
    Entries must be offered in the order of the log; one offered again is ignored. ``live`` is the hub's mark: it hears
    what comes, and is fed by nobody else.
    """

    __slots__ = (
        "changes",
        "check",
        "ended",
        "epoch",
        "live",
        "position",
        "rights_position",
        "since",
        "topics",
        "user_id",
    )

    def __init__(
        self,
        user_id: str,
        *,
        epoch: str,
        position: int,
        rights_position: int,
        topics: Mapping[str, int],
        check: int = 0,
    ) -> None:
        self.user_id = user_id
        self.epoch = epoch
        self.position = position
        self.check = check
        self.rights_position = rights_position
        self.topics = topics
        self.since = 0  # while live: behind this, the entries of all its topics may be sent
        self.changes = 0  # control entries obeyed: rights read before the last of them are stale
        self.ended = False  # what stands behind the end of the sessions is for nobody
        self.live = False

    @property
    def control(self) -> str:
        """The topic of the control entries for this user."""
        return f"{CONTROL_PREFIX}{self.user_id}"

    @property
    def cursor(self) -> Cursor:
        """The place up to which everything was sent."""
        return Cursor(self.epoch, self.position, self.check)

    def go_live(self) -> None:
        """Hear what comes, from the hub, which has sent all before it."""
        self.live = True
        self.since = max(self.topics.values(), default=0)

    def offer(self, entry: Entry) -> tuple[Order, ...]:
        """What to do about the next entry of the log, as of which the subscriber then stands."""
        if entry.position <= self.position or self.ended:
            return NOTHING
        self.position, self.check = entry.position, entry.check
        start = self.topics.get(entry.topic)
        if start is None:
            return self._obey(entry) if entry.topic == self.control else NOTHING
        return NOTHING if entry.position <= start else ONLY_DELIVER

    def advance(self, position: int, check: int) -> None:
        """Stand at a later place: nothing up to there is on this subscriber's topics and unsent."""
        if position > self.position:
            self.position, self.check = position, check

    def join(self, topic: str, position: int) -> None:
        """Take up a topic; what stands behind ``position`` may be sent."""
        self.topics = {**self.topics, topic: position}
        self.since = max(self.since, position)

    def leave(self, topic: str) -> bool:
        """Give up a topic; False if it was none of this subscriber's."""
        if topic not in self.topics:
            return False
        self.topics = {other: position for other, position in self.topics.items() if other != topic}
        return True

    def restart(self, *, epoch: str, position: int, check: int) -> None:
        """Stand at the head of another history, or of what is left of this one, with the same topics."""
        self.epoch, self.position, self.check = epoch, position, check
        self.rights_position = position
        self.topics = dict.fromkeys(self.topics, 0)
        self.since = 0

    def _obey(self, entry: Entry) -> tuple[Order, ...]:
        """Obey a control entry, unless the rights were read after it."""
        if entry.position <= self.rights_position:
            return NOTHING
        self.rights_position = entry.position
        self.changes += 1
        if entry.type == SESSIONS_ENDED:
            self.ended = True
            return (End(),)
        if entry.type != RIGHTS_CHANGED:
            return NOTHING
        change = msgspec.json.decode(entry.data, type=RightsChange)
        orders: list[Order] = []
        if lost := tuple(topic for topic in change.lost if self.leave(topic)):
            orders.append(Revoke(lost))
        for topic in change.gained:
            if topic in self.topics:  # joined anew: what was said in between is not for this user
                self.join(topic, entry.position)
        if gained := tuple(topic for topic in [*change.gained, *change.offered] if topic not in self.topics):
            orders.append(Gain(gained, entry.position))
        return tuple(orders)


def resume_problem(
    cursor: Cursor, *, epoch: str, position: int, floor: int, check: int | None, longest: int
) -> Reason | None:
    """Why a replay from ``cursor`` cannot be whole; None if it can.

    ``epoch``, ``position`` and ``floor`` are the log's; ``check`` is that of its entry at the cursor's place.
    """
    if cursor.epoch != epoch:
        return "epoch"
    if cursor.position > position:
        return "ahead"
    if cursor.position < floor or position - cursor.position > longest:
        return "trimmed"
    if check != cursor.check:
        return "epoch"
    return None


def page_problem(*, started: int, epoch: str, head_epoch: str, head_position: int, floor: int) -> Reason | None:
    """Why a page read from ``started`` may lack entries, by the head as it stood after the read."""
    if head_epoch != epoch:
        return "epoch"
    if head_position < started:
        return "epoch"
    return "trimmed" if floor > started else None


def joinings(controls: Iterable[Entry]) -> dict[str, int]:
    """The position of the latest joining of each topic that the control entries of one user speak of."""
    return {topic: position for change, position in _changes(controls) for topic in change.gained}


def losses(controls: Iterable[Entry]) -> list[str]:
    """The topics that were taken away by the control entries of one user, whatever came of them later."""
    return list(dict.fromkeys(topic for change, _ in _changes(controls) for topic in change.lost))


def _changes(controls: Iterable[Entry]) -> Iterator[tuple[RightsChange, int]]:
    for entry in controls:
        if entry.type == RIGHTS_CHANGED:
            yield msgspec.json.decode(entry.data, type=RightsChange), entry.position
