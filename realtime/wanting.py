"""Which events want an acknowledgement at all, in this process's memory: most users have none open, and cost no query.

Apart from the log, from which it is fed, and from the receipts, which only the database knows. What is remembered here
of a user can only grow: whoever has confirmed an event, or never was of its audience, stays so.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import NamedTuple
from weakref import WeakSet

from realtime.conf import conf
from realtime.metrics import metrics
from realtime.protocol.entry import Entry

MOST_SETTLED = 1000  # events that are remembered for one user; whoever has more is asked for anew


class Want(NamedTuple):
    """One event that wants an acknowledgement. Times are seconds of the epoch."""

    position: int
    topic: str
    event_id: str
    at: float
    expires: float
    about: str


class Wanting:
    """The events that want an acknowledgement and have not expired, whole behind the place ``begin``."""

    def __init__(self, begin: int = 0, wants: Iterable[Want] = (), *, clock: Callable[[], float] = time.time) -> None:
        self.begin = begin
        self._clock = clock
        self._topics: dict[str, dict[int, Want]] = {}
        self._newest: dict[tuple[str, str], int] = {}  # position of the event that stands for a thing on a topic
        self._count = 0
        for want in wants:
            self._add(want)

    def __len__(self) -> int:
        return self._count

    def take(self, entries: Iterable[Entry]) -> None:
        """Take what follows in the log: what wants an acknowledgement, and what ends that of earlier ones."""
        for entry in entries:
            if entry.about:
                self._drop(entry.topic, self._newest.get((entry.topic, entry.about), 0))
            if entry.ack:
                self._add(want_of(entry))
        if self._count > conf.WANTING_EVENTS:
            self._shrink()
        metrics.wanting.set(self._count)

    def on(self, topics: Iterable[str], behind: int, upto: int) -> list[Want]:
        """Those on the topics, at places behind ``behind`` and up to ``upto``, that have not expired; in order."""
        now = self._clock()
        found = [
            want
            for topic in topics
            for want in self._topics.get(topic, {}).values()
            if behind < want.position <= upto and want.expires > now
        ]
        return sorted(found)

    def _add(self, want: Want) -> None:
        self._topics.setdefault(want.topic, {})[want.position] = want
        self._count += 1
        if want.about:
            self._newest[want.topic, want.about] = want.position

    def _drop(self, topic: str, position: int) -> None:
        wants = self._topics.get(topic, {})
        want = wants.pop(position, None)
        if want is None:
            return
        self._count -= 1
        if not wants:
            del self._topics[topic]
        if self._newest.get((topic, want.about)) == position:
            del self._newest[topic, want.about]

    def _shrink(self) -> None:
        """Let go of what has expired and, if that is not enough, of a tenth: behind ``begin`` the database is asked."""
        now = self._clock()
        kept = sorted(want for wants in self._topics.values() for want in wants.values())
        gone = [want for want in kept if want.expires <= now]
        left = len(kept) - len(gone)
        if left > conf.WANTING_EVENTS * 9 // 10:
            oldest = [want for want in kept if want.expires > now][: left - conf.WANTING_EVENTS * 9 // 10]
            self.begin = max(self.begin, oldest[-1].position)
            gone += oldest
        for want in gone:
            self._drop(want.topic, want.position)


class Settled:
    """By user, the positions of events that need not be given to them again. May be told from any thread."""

    def __init__(self) -> None:
        self._users: OrderedDict[str, set[int]] = OrderedDict()
        self._lock = threading.Lock()
        with _registering:
            _known.add(self)

    def add(self, user_id: str, positions: Collection[int]) -> None:
        """Remember that a user has confirmed these, or is not of their audience."""
        if not positions:
            return
        with self._lock:
            known = self._users.setdefault(user_id, set())
            if len(known) > MOST_SETTLED:
                known.clear()
            known.update(positions)
            self._users.move_to_end(user_id)
            while len(self._users) > conf.RIGHTS_USERS:
                self._users.popitem(last=False)

    def has(self, user_id: str, position: int) -> bool:
        """Whether that is known of a user and an event."""
        return position in self._users.get(user_id, ())


def memories() -> list[Settled]:
    """All in this process who remember what is settled. From any thread.

    To be asked before places are read: a memory that is newer than these may be of another history.
    """
    with _registering:
        return list(_known)


def want_of(entry: Entry) -> Want:
    """What of an entry has to be known here."""
    at = to_the_millisecond(datetime.fromisoformat(entry.timestamp))
    return Want(entry.position, entry.topic, entry.id, at, entry.expires, entry.about)


def to_the_millisecond(moment: datetime) -> float:
    """A time in seconds of the epoch, as exact as an entry's: of a finer one, two would not agree what was first."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000).timestamp()


_known: WeakSet[Settled] = WeakSet()
_registering = threading.Lock()


def _forget_known() -> None:
    """Start over in a forked child, which nobody asks, and in which the thread that may have held the lock is not."""
    global _known, _registering
    _known, _registering = WeakSet(), threading.Lock()


os.register_at_fork(after_in_child=_forget_known)
