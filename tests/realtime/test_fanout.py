"""Fan-out in slices: whatever happens between two of them, each client hears what it would if there were none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from realtime import fanout, log
from realtime.fanout import FanOut
from realtime.hub import Hub
from realtime.metrics import metrics
from realtime.protocol import frame
from realtime.protocol.entry import CONTROL_PREFIX, RIGHTS_CHANGED, SESSIONS_ENDED, Batch, Entry
from realtime.protocol.frame import Form, Frame
from realtime.protocol.subscriber import Subscriber
from tests.realtime.recorder import Recorder

EPOCH = "e"
TIME = "2026-01-02T03:04:05.678Z"
TOPICS = ["a", "b", "c"]
USERS = ["u", "v", "w", "x"]


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


@pytest.fixture
def slices(settings: Settings) -> None:
    """One stride fills a slice."""
    settings.REALTIME = {**settings.REALTIME, "FANOUT_SLICE": 1e-9}


# One client, whatever happens between the slices


@dataclass
class Client:
    """What a member would hear if every entry reached everybody at once."""

    member: Recorder
    user: str
    topics: dict[str, int]
    position: int
    rights: int
    live: bool = True
    ended: bool = False
    heard: list[tuple[int, Any]] = field(default_factory=list)  # position, what

    @property
    def said(self) -> list[Any]:
        return [what for _, what in self.heard]

    def take(self, entry: Entry) -> None:
        if self.ended or entry.position <= self.position:
            return
        self.position = entry.position
        if entry.topic in self.topics and entry.position > self.topics[entry.topic]:
            self.heard.append((entry.position, json.loads(entry.data)["n"]))
        elif entry.topic == f"{CONTROL_PREFIX}{self.user}" and entry.position > self.rights:
            self.rights = entry.position
            self._obey(entry)

    def _obey(self, entry: Entry) -> None:
        if entry.type == SESSIONS_ENDED:
            self.ended, self.live = True, False
            self.heard.append((entry.position, "ended"))
            return
        (lost,) = json.loads(entry.data)["lost"]
        if self.topics.pop(lost, None) is not None:
            self.heard.append((entry.position, ("revoked", lost)))


class World:
    """The hub under test, and beside it what each of its clients should hear."""

    def __init__(self) -> None:
        self.house = House()
        self.clients: list[Client] = []
        self.numbers = count()

    @property
    def here(self) -> int:
        return len(self.house.entries)

    def happen(self, *deed: Any) -> None:
        match deed:
            case (str(user), set(topics), bool(wired), int(ahead)):
                self.come(user, topics, wired, ahead)
            case (str(what), int(number), str(topic)):
                self.touch(self.clients[number % len(self.clients)], what, topic)

    def come(self, user: str, topics: Iterable[str], wired: bool, ahead: int) -> None:
        member = self.house.member(*topics, user=user, wired=wired, ahead=ahead)
        self.clients.append(Client(member, user, dict(member.state.topics), self.here, self.here + ahead))

    def grow(self, what: list[tuple[str, str, Any]]) -> None:
        for entry in self.house.grow(*((topic, type, self._data(type, lost)) for topic, type, lost in what)):
            for client in self.clients:
                if client.live:
                    client.take(entry)

    def touch(self, client: Client, deed: str, topic: str) -> None:
        hub, member = self.house.hub, client.member
        match deed:
            case "subscribe" if client.live and topic not in client.topics:
                hub.subscribe(member, topic)
                client.topics[topic] = self.here
            case "unsubscribe" if client.live:
                hub.unsubscribe(member, topic)
                client.topics.pop(topic, None)
            case "stand" if client.live:
                hub.stand(member)
                assert member.state.position == self.here
                client.position = self.here
            case "leave" if client.live:
                hub.leave(member)
                self._left(client)
                return
            case "come back" if not client.live and not client.ended:
                client.live = True
                for entry in self.house.entries:
                    client.take(entry)
                assert hub.join(member) == client.live
            case _:
                return
        assert member.said == client.said, "who is touched has been sent everything first"

    def _data(self, type: str, what: Any) -> Any:
        if type == "Note":
            return {"n": next(self.numbers)}
        return {"user_id": "", "lost": [what]} if type == RIGHTS_CHANGED else {}

    def _left(self, client: Client) -> None:
        """What was on its way is not sent. Where the member stands says how far it was sent, no more and no less."""
        client.live = False
        client.heard = [(at, what) for at, what in client.heard if at <= client.member.state.position]
        client.position = client.member.state.position
        assert client.member.said == client.said

    def check(self) -> None:
        for client in self.clients:
            said = client.member.said
            assert said == client.said[: len(said)], "everything in order, once, and nothing else"
            assert client.member.state.topics.keys() == client.topics.keys()

    def check_all_came(self) -> None:
        self.house.turns.take_all()
        for client in self.clients:
            assert client.member.said == client.said
            assert client.member.state.live == client.live
        assert not self.house.hub.fanout.busy
        assert not self.house.hub.fanout._backlog


def entries() -> st.SearchStrategy[tuple[str, str, Any]]:
    events = st.tuples(st.sampled_from(TOPICS), st.just("Note"), st.just(None))
    controls = st.sampled_from(USERS).map(CONTROL_PREFIX.__add__)
    losses = st.tuples(controls, st.just(RIGHTS_CHANGED), st.sampled_from(TOPICS))
    ends = st.tuples(controls, st.just(SESSIONS_ENDED), st.just(None))
    rare = {0: ends, 1: losses, 2: losses, 3: losses}  # too many of them, and nobody is left to be told
    return st.integers(0, 39).flatmap(lambda chance: rare.get(chance, events))


DEEDS = st.tuples(
    st.sampled_from(["subscribe", "unsubscribe", "stand", "leave", "come back", "come back"]),
    st.integers(0, 9),
    st.sampled_from(TOPICS),
)
NEWCOMERS = st.tuples(
    st.sampled_from(USERS), st.sets(st.sampled_from(TOPICS), min_size=1), st.booleans(), st.integers(0, 3)
)
# The log grows; some slices later, though before all is sent, something happens to one or two clients.
STEPS = st.tuples(
    st.lists(entries(), min_size=1, max_size=6),
    st.integers(0, 2),
    st.lists(st.one_of(DEEDS, DEEDS, NEWCOMERS), max_size=3),
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(NEWCOMERS, min_size=4, max_size=8),
    st.lists(STEPS, min_size=4, max_size=15),
)
def test_no_slice_can_be_told_from_one_step(slices: None, first: Any, steps: Any) -> None:
    async def play() -> None:
        world = World()
        for newcomer in first:
            world.come(*newcomer)
        for what, turns, deeds in steps:
            world.grow(what)
            world.check()
            for _ in range(turns):
                world.house.turns.take()
                world.check()
            for deed in deeds:
                world.happen(*deed)
                world.check()
        world.check_all_came()

    asyncio.run(play())


# What is said when


async def test_at_rest_everybody_is_reached_before_the_batch_is_taken() -> None:
    house = House(stride=64)
    members = [house.member("a", wired=bool(number % 2)) for number in range(10)]

    house.tell("a")

    assert [member.said for member in members] == [[1]] * 10


async def test_what_one_turn_brings_goes_out_in_one_write_and_in_order() -> None:
    house = House(stride=64)
    one, two = house.member("a", wired=True), house.member("a", "b", wired=True)
    house.tell("c")  # somebody else was served in this turn
    other = house.member("c")

    house.tell("c")
    for topic in ("a", "b", "a", "b"):
        house.tell(topic)
    house.turns.take()

    assert (one.said, two.said, other.said) == ([3, 5], [3, 4, 5, 6], [2])
    assert isinstance(one.wire, Wire)
    assert isinstance(two.wire, Wire)
    assert (one.wire.writes, two.wire.writes) == ([2], [4])


async def test_no_write_is_larger_than_it_may_be(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "WRITE_BYTES": 1024}
    house = House(stride=64)
    members = [house.member("a", wired=True), house.member("a", "b", wired=True)]

    house.grow(*(("a", "Note", {"n": number, "text": "x" * 300}) for number in range(5)))

    for member in members:
        assert member.said == [0, 1, 2, 3, 4]
        assert isinstance(member.wire, Wire)
        assert member.wire.writes == [2, 2, 1]


async def test_what_takes_several_writes_is_joined_once_for_all(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REALTIME = {**settings.REALTIME, "WRITE_BYTES": 1024}
    house = House(stride=64)
    members = [house.member("a", wired=True) for _ in range(40)]
    joinings: list[int] = []

    def joined(frames: Sequence[Frame], form: Form, most: int) -> list[bytes]:
        joinings.append(len(frames))
        return frame.joined(frames, form, most)

    monkeypatch.setattr(fanout, "joined", joined)

    house.grow(*(("a", "Note", {"n": number, "text": "x" * 300}) for number in range(5)))

    assert [member.said for member in members] == [[0, 1, 2, 3, 4]] * 40
    assert joinings == [5]


async def test_a_small_fan_out_is_not_held_up_by_a_large_one(slices: None) -> None:
    house = House(stride=4)
    crowd = [house.member("a") for _ in range(40)]
    waiting, both = house.member("b"), house.member("a", "b")

    house.tell("a")
    house.tell("b")
    house.turns.take()

    assert waiting.said == [2]
    assert both.said == [1, 2], "nothing overtakes towards who waits for something earlier"
    assert [] in [member.said for member in crowd]
    house.turns.take_all()
    assert [member.said for member in crowd] == [[1]] * 40


async def test_a_large_fan_out_goes_on_whatever_small_ones_come(slices: None) -> None:
    house = House(stride=4)
    crowd = [house.member("a") for _ in range(40)]
    busy = house.member("b")
    house.tell("a")

    for number in range(12):
        house.tell("b")
        house.turns.take()
        assert len(busy.said) >= number

    assert [member.said for member in crowd] == [[1]] * 40


async def test_who_comes_between_two_slices_hears_only_what_comes_then(slices: None) -> None:
    house = House()
    crowd = [house.member("a") for _ in range(5)]
    house.tell("a")

    late = house.member("a")
    house.turns.take_all()
    house.tell("a")
    house.turns.take_all()

    assert late.said == [2]
    assert [member.said for member in crowd] == [[1, 2]] * 5


async def test_who_was_taken_off_a_topic_is_not_sent_what_came_later_by_a_sweep_that_began_before(slices: None) -> None:
    house = House()
    first, second, gone, left = (house.member("a", wired=True) for _ in range(4))
    house.member("b", wired=True)
    house.tell("a")
    assert first.said == [1]

    for member in (first, second, gone):
        house.hub.unsubscribe(member, "a")
    house.tell("a")
    house.turns.take()
    house.tell("b", "a")
    house.turns.take_all()

    assert first.said == second.said == gone.said == [1]
    assert left.said == [1, 2, 4]


@pytest.mark.parametrize("wired", [True, False])
async def test_who_leaves_between_two_slices_is_sent_no_more_and_gets_the_rest_when_back(
    slices: None, wired: bool
) -> None:
    house = House()
    crowd = [house.member("a", wired=wired) for _ in range(5)]
    house.tell("a")

    for member in crowd[3:]:
        house.hub.leave(member)
    house.turns.take_all()
    assert [member.said for member in crowd] == [[1]] * 3 + [[]] * 2

    assert house.hub.join(crowd[3])
    house.tell("a")
    house.turns.take_all()
    assert [member.said for member in crowd] == [[1, 2]] * 4 + [[]]


async def test_a_member_that_fails_in_a_slice_is_sent_away_and_costs_the_others_nothing(slices: None) -> None:
    house = House()
    members = [house.member("a", wired=bool(number % 2)) for number in range(6)]
    for bad in members[2:4]:
        bad.error = ArithmeticError()

    house.tell("a")
    house.turns.take_all()
    house.tell("a")
    house.turns.take_all()

    assert [member.said for member in members] == [[1, 2]] * 2 + [["failed"]] * 2 + [[1, 2]] * 2
    assert not any(house.hub.has(bad) for bad in members[2:4])


async def test_the_member_hears_of_what_its_client_did_not_take_at_once() -> None:
    house = House(stride=64)
    swift, slow, replayed = (house.member("a", wired=True) for _ in range(3))
    assert slow.wire is not None
    slow.wire.unsent = 5

    house.tell("a")

    assert slow.said == [1, ("lagging", len(Frame(house.entries[0], EPOCH).wire))]
    assert swift.said == replayed.said == [1]


async def test_what_is_ephemeral_comes_in_slices_too_and_only_to_who_is_still_there(slices: None) -> None:
    house = House()
    members = [house.member("a", "b", wired=True) for _ in range(5)]
    entries = [
        Entry(0, "a", 0, "00000000-0000-7000-8000-000000000000", "Note", f'{{"n": {n}}}', "2026") for n in (7, 8)
    ]

    house.hub.fanout.tell([Frame(entry, EPOCH, placed=False) for entry in entries])
    house.hub.leave(members[3])
    house.hub.unsubscribe(members[4], "a")
    house.turns.take_all()

    assert [member.said for member in members] == [[7, 8]] * 3 + [[], []]


async def test_each_delivery_is_counted_once() -> None:
    house = House(stride=2)
    for number in range(5):
        house.member("a", "b", wired=bool(number % 2))
    counters = [metrics.delivered.labels(transport) for transport in ("websocket", "test")]
    before = [counter._value.get() for counter in counters]

    house.tell("a")  # three members by ASGI, two by the wire
    house.turns.take_all()
    house.tell("a", "a", "b")  # on two topics, each member is served on its own, and says its transport
    house.turns.take_all()

    assert [counter._value.get() - was for counter, was in zip(counters, before, strict=True)] == [2, 3 + 15]
