"""Fan-out in slices: whatever happens between two of them, each client hears what it would if there were none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.protocol.entry import CONTROL_PREFIX, RIGHTS_CHANGED, SESSIONS_ENDED, Entry
from tests.realtime.house import House
from tests.realtime.recorder import Recorder

TOPICS = ["a", "b", "c"]
USERS = ["u", "v", "w", "x"]


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
