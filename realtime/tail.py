"""Recent entries of the log in this process's memory, found by their place and by their topic.

Apart from the follower, which decides what comes in and in which order: here is only what is there. A storm of clients
that come back is answered from it, so what one of them lacks is looked up, never searched for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import chain
from operator import attrgetter

from realtime import log
from realtime.conf import conf
from realtime.protocol.entry import Entry

_position = attrgetter("position")


class Tail:
    """Entries ``begin + 1`` to the newest, without a gap; ``begin`` is the place behind which they are whole."""

    def __init__(self, begin: int = 0, check: int = 0, entries: Iterable[Entry] = ()) -> None:
        self.begin = begin
        self._check = check  # of the entry at ``begin``, which is not kept itself
        self._entries: list[Entry] = []
        self._topics: dict[str, list[Entry]] = {}
        self._bytes = 0
        self.append(list(entries))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of data that are kept."""
        return self._bytes

    def append(self, entries: list[Entry]) -> None:
        """Take what follows right behind the newest, and let go of what is too much."""
        self._entries += entries
        for entry in entries:
            self._bytes += len(entry.data)
            self._topics.setdefault(entry.topic, []).append(entry)
        self._trim()

    def since(self, position: int, topics: Iterable[str] | None = None) -> list[Entry] | None:
        """Entries behind ``position``, of all topics or the given ones; None where the tail begins later."""
        if position < self.begin:
            return None
        if topics is None:
            return self._entries[position - self.begin :]
        found = [entries for topic in topics if (entries := self._behind(position, topic))]
        return found[0] if len(found) == 1 else sorted(chain.from_iterable(found), key=_position)

    def first(self, topic: str, position: int) -> Entry | None:
        """The first entry that is kept of a topic behind ``position``."""
        entries = self._topics.get(topic, ())
        if not entries or entries[-1].position <= position:
            return None
        return entries[bisect_right(entries, position, key=_position)]

    def newest(self, topic: str) -> Entry | None:
        """The newest entry that is kept of a topic."""
        entries = self._topics.get(topic)
        return entries[-1] if entries else None

    def check_at(self, position: int) -> int | None:
        """The check bits of the entry at a place; None where nothing is known of it."""
        if position == self.begin:
            return self._check
        index = position - self.begin - 1
        return self._entries[index].check if 0 <= index < len(self._entries) else None

    def _behind(self, position: int, topic: str) -> list[Entry]:
        entries = self._topics.get(topic)
        if not entries or entries[-1].position <= position:
            return []
        return entries[bisect_right(entries, position, key=_position) :]

    def _trim(self) -> None:
        """Cut to the bounds, in large steps as a list gives up its front slowly."""
        if len(self._entries) <= 2 * conf.TAIL_EVENTS and self._bytes <= 2 * conf.TAIL_BYTES:
            return
        kept, size = 0, 0
        for entry in reversed(self._entries):
            size += len(entry.data)
            if kept >= conf.TAIL_EVENTS or size > conf.TAIL_BYTES:
                break
            kept += 1
        last = self._entries[-kept - 1]  # that goes
        self.begin, self._check = last.position, last.check
        self._entries = self._entries[len(self._entries) - kept :]
        self._topics, self._bytes = {}, 0
        for entry in self._entries:
            self._bytes += len(entry.data)
            self._topics.setdefault(entry.topic, []).append(entry)


def empty(head: log.Head) -> Tail:
    """A tail at the head, of nothing yet."""
    return Tail(head.position, head.check)


def recent(head: log.Head) -> Tail:
    """The newest entries up to ``head``, within the bounds of a tail, read from the log page by page.

    For a process that begins: the clients of the one before come back to it all at once, each with a cursor.
    """
    entries: list[Entry] = []
    # The entry at the floor is kept: the place behind which all the others are known is known by it.
    begin, end = head.position, max(head.floor - 1, head.position - conf.TAIL_EVENTS, 0)
    while begin > end and sum(len(entry.data) for entry in entries) < conf.TAIL_BYTES:
        after = max(begin - conf.PAGE, end)
        page = log.read(after, upto=begin)
        if page.head.epoch != head.epoch or page.head.floor > after + 1 or len(page.entries) != begin - after:
            break
        entries, begin = page.entries + entries, after
    if not entries or (entries[-1].position, entries[-1].check) != (head.position, head.check):
        return empty(head)
    if begin == 0:
        return Tail(0, 0, entries)
    return Tail(entries[0].position, entries[0].check, entries[1:])  # the first stands for the place before it
