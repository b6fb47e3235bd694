"""When each client is to be looked at next: one timer for all of a process, and no walk over those it is not time for.

Apart from the hub because it knows nothing of topics or events. A timer for each of ten thousand clients would cost
memory; a walk over all of them each second, a stretch in which nobody else is served.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Spoke(Protocol):
    """What is put on a wheel. ``slot`` is the wheel's own note; 0 while it is not on it."""

    slot: int


S = TypeVar("S", bound=Spoke)


class Wheel(Generic[S]):
    """Things by the time at which they are due, to the nearest ``tick`` seconds later."""

    def __init__(self, tick: float) -> None:
        self.tick = tick
        self._slots: dict[int, set[S]] = {}
        self._turned = 0  # everything up to this slot has been given out

    def put(self, thing: S, when: float) -> None:
        """Have a thing given out at ``when``, and no longer at another time; infinity is never."""
        self.drop(thing)
        if when == math.inf:
            return
        thing.slot = max(math.ceil(when / self.tick), self._turned + 1, 1)
        self._slots.setdefault(thing.slot, set()).add(thing)

    def drop(self, thing: S) -> None:
        """Take a thing off. Harmless when it is not on the wheel."""
        if not thing.slot:
            return
        things = self._slots[thing.slot]
        things.discard(thing)
        if not things:
            del self._slots[thing.slot]
        thing.slot = 0

    def due(self, now: float) -> Iterator[S]:
        """Take off and give out what is due. Things may be put on and dropped in between."""
        here = math.floor(now / self.tick)
        self._turned = max(self._turned, here)  # what is put on in between is due another time
        for slot in sorted(slot for slot in self._slots if slot <= here):
            while things := self._slots.get(slot):
                thing = things.pop()
                thing.slot = 0
                if not things:
                    del self._slots[slot]
                yield thing
