"""A hub without a database and without a clock: its log grows, and its fan-outs go on, when the test says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from realtime import log
from realtime.fanout import FanOut
from realtime.hub import Hub
from realtime.protocol.entry import Batch, Entry
from realtime.protocol.subscriber import Subscriber
from tests.realtime.recorder import Recorder

EPOCH = "e"
TIME = "2026-01-02T03:04:05.678Z"


class House:
    """A hub without a database, whose fan-outs go one stride a turn."""

    def __init__(self, stride: int = 1) -> None:
        self.hub = Hub()
        self.turns = Turns()
        self.hub.fanout = FanOut(self.hub.members, self.hub.give_up, self.turns.later, stride=stride)
        self.hub.follower.restart(log.Head(EPOCH, 0, 0, 0))
        self.entries: list[Entry] = []

    def member(self, *topics: str, user: str = "u", wired: bool = False, ahead: int = 0) -> Recorder:
        """Somebody who joins here and now, though they came to their topics ``ahead`` of what this process knows."""
        here = self.hub.follower.position
        came = dict.fromkeys(topics, here + ahead if ahead else 0)
        state = Subscriber(user, epoch=EPOCH, position=here, rights_position=here + ahead, topics=came)
        member = Recorder(self.hub, state)
        if wired:
            member.wire, member.form = Wire(member), "wire"
        assert self.hub.join(member)
        return member

    def grow(self, *what: tuple[str, str, Any]) -> list[Entry]:
        """Let the log grow by (topic, type, data) each, in one batch."""
        first = len(self.entries) + 1
        fresh = [
            Entry(position, topic, 1, f"00000000-0000-7000-8000-{position:012x}", type, json.dumps(data), TIME)
            for position, (topic, type, data) in enumerate(what, first)
        ]
        self.entries += fresh
        self.hub.follower.take(Batch(EPOCH, first, len(self.entries), fresh))
        return fresh

    def tell(self, *topics: str) -> None:
        """Let the log grow by one event on each topic, numbered by its position, in one batch."""
        start = len(self.entries) + 1
        self.grow(*((topic, "Note", {"n": start + number}) for number, topic in enumerate(topics)))


class Wire:
    """A way past ASGI that reads the text frames it is given. ``unsent`` is what it is told to be."""

    def __init__(self, member: Recorder) -> None:
        self.member = member
        self.writes: list[int] = []  # how many events each brought
        self.unsent = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        if self.member.error is not None:
            raise self.member.error
        self.writes.append(0)
        while data:
            size, head = (data[1], 2) if data[1] < 126 else (int.from_bytes(data[2:4], "big"), 4)
            self.member.said.append(json.loads(data[head : head + size])["data"]["n"])
            self.writes[-1] += 1
            data = data[head + size :]

    def drained(self, callback: Callable[[], None] | None) -> None: ...


class Turns:
    """Turns of an event loop, taken when the test says so."""

    def __init__(self) -> None:
        self._next: list[Callable[[], None]] = []

    def later(self, work: Callable[[], None]) -> None:
        self._next.append(work)

    def take(self) -> bool:
        """Take one; False if there was nothing to do."""
        works, self._next = self._next, []
        for work in works:
            work()
        return bool(works)

    def take_all(self) -> None:
        while self.take():
            pass
