"""Which entries one client must get: the subscriber state against rules written down a second time.

The model knows no state: it reads the whole log from the beginning and says what each client should hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import CONTROL_PREFIX, RIGHTS_CHANGED, SESSIONS_ENDED, Entry, RightsChange
from realtime.protocol.subscriber import End, Gain, Revoke, Subscriber, joinings, page_problem, resume_problem
from tests.realtime.protocol.entries import control, ending, event

USERS = ("alice", "bob")
TOPICS = ("family:a", "family:b", "account:c")
RIGHTS_AT_FIRST = {"alice": {"family:a", "account:c"}, "bob": {"family:a"}}


@dataclass
class Log:
    """Everything that ever happened, and where what is kept begins."""

    entries: list[Entry] = field(default_factory=list)
    floor: int = 0
    epoch: str = "e1"

    @property
    def position(self) -> int:
        return len(self.entries)

    def check_at(self, position: int) -> int | None:
        if position == 0:
            return 0
        return self.entries[position - 1].check if self.floor <= position <= self.position else None

    def held(self, user: str, position: int) -> set[str]:
        """The topics that the user may read just after ``position``."""
        rights = set(RIGHTS_AT_FIRST[user])
        for change in self.changes(user, 0, position):
            rights = rights - set(change.lost) | set(change.gained)
        return rights

    def changes(self, user: str, after: int, upto: int) -> list[RightsChange]:
        return [
            msgspec.json.decode(entry.data, type=RightsChange)
            for entry in self.entries[after:upto]
            if entry.topic == f"{CONTROL_PREFIX}{user}" and entry.type == RIGHTS_CHANGED
        ]

    def page(self, after: int, upto: int, topics: Iterable[str], limit: int) -> list[Entry]:
        wanted = set(topics)
        return [each for each in self.entries[max(after, self.floor) : upto] if each.topic in wanted][:limit]


@dataclass(eq=False)
class Client:
    """A connection: the state under test, what it was sent, and the facts that the model judges by."""

    user: str
    state: Subscriber
    start: int
    opened: int
    topics: frozenset[str]
    said: dict[int, list[tuple[str, str, int]]] = field(default_factory=dict)
    gained: dict[str, int] = field(default_factory=dict)
    got: list[int] = field(default_factory=list)
    ended: bool = False

    def take(self, entry: Entry) -> None:
        for order in self.state.offer(entry):
            match order:
                case Gain(topics, position):
                    self.gained |= dict.fromkeys(topics, position)
                case End():
                    self.ended = True
                case Revoke():
                    pass
                case _:
                    self.got.append(entry.position)


def expected(log: Log, client: Client) -> list[int]:
    """What the client must have been sent by now, by the rules of the protocol and nothing else."""
    got: list[int] = []
    on = set(client.topics)
    for entry in log.entries[client.start : client.state.position]:
        obey(log, client, entry.position - 1, on, got)
        if entry.topic == f"{CONTROL_PREFIX}{client.user}":
            if entry.position <= client.opened:
                continue
            if entry.type == SESSIONS_ENDED:
                return got
            change = msgspec.json.decode(entry.data, type=RightsChange)
            on -= set(change.lost)
        elif entry.topic in on and not joined_between(log, client, entry):
            got.append(entry.position)
    obey(log, client, client.state.position, on, got)
    return got


def obey(log: Log, client: Client, position: int, on: set[str], got: list[int]) -> None:
    """Do what the client said when it stood at ``position``."""
    for command, topic, behind in client.said.get(position, ()):
        if command == "Unsubscribe":
            on.discard(topic)
        else:
            on.add(topic)
            got += [entry.position for entry in log.entries[behind:position] if entry.topic == topic]


def joined_between(log: Log, client: Client, entry: Entry) -> bool:
    """Whether the user came to the topic after this entry and before the connection was opened."""
    later = log.changes(client.user, entry.position, client.opened)
    return any(entry.topic in change.gained for change in later)


class EveryClientGetsWhatItMust(RuleBasedStateMachine):
    """Random logs with rights that change, and clients that come, resume, lag, subscribe and are revoked."""

    clients = Bundle("clients")
    users = st.sampled_from(USERS)
    topics = st.sampled_from(TOPICS)
    some_topics = st.sets(topics)

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.all: list[Client] = []
        self.cursors: dict[str, list[Cursor]] = {user: [] for user in USERS}

    @rule(topic=topics)
    def publish(self, topic: str) -> None:
        self.log.entries.append(event(self.log.position + 1, topic))

    @rule(user=users, gained=some_topics, lost=some_topics)
    def change_rights(self, user: str, gained: set[str], lost: set[str]) -> None:
        self.log.entries.append(control(self.log.position + 1, user, sorted(gained), sorted(lost - gained)))

    @rule(user=users)
    def end_sessions(self, user: str) -> None:
        self.log.entries.append(ending(self.log.position + 1, user))

    @rule(data=st.data())
    def prune(self, data: st.DataObject) -> None:
        self.log.floor = data.draw(st.integers(self.log.floor, self.log.position))

    @rule()
    def begin_a_new_epoch(self) -> None:
        self.log.epoch = f"e{int(self.log.epoch[1:]) + 1}"

    @rule(target=clients, user=users, wanted=some_topics)
    def connect(self, user: str, wanted: set[str]) -> Client:
        return self._open(user, wanted, start=self.log.position, joined={})

    @rule(target=clients, user=users, wanted=some_topics, data=st.data())
    def resume(self, user: str, wanted: set[str], data: st.DataObject) -> Client:
        cursor = data.draw(st.sampled_from([*self.cursors[user], Cursor(self.log.epoch, 0, 0)]))
        problem = resume_problem(
            cursor,
            epoch=self.log.epoch,
            position=self.log.position,
            floor=self.log.floor,
            check=self.log.check_at(cursor.position),
            longest=1000,
        )
        stale = cursor.epoch != self.log.epoch
        assert problem == ("epoch" if stale else "trimmed" if cursor.position < self.log.floor else None)
        if problem is not None:
            return self._open(user, wanted, start=self.log.position, joined={})
        behind = [each for each in self.log.entries[cursor.position :] if each.topic == f"{CONTROL_PREFIX}{user}"]
        return self._open(user, wanted, start=cursor.position, joined=joinings(behind))

    @rule(client=clients, size=st.integers(1, 4), lag=st.integers(0, 5))
    def replay_a_page(self, client: Client, size: int, lag: int) -> None:
        """As a transport does: only what is on its topics, from behind its place, up to where its process is."""
        if client.ended:
            return
        state, log, upto = client.state, self.log, max(client.state.position, self.log.position - lag)
        started = state.position
        page = log.page(started, upto, [*state.topics, state.control], size)
        problem = page_problem(
            started=started, epoch=state.epoch, head_epoch=log.epoch, head_position=log.position, floor=log.floor
        )
        assert problem == ("epoch" if state.epoch != log.epoch else "trimmed" if log.floor > started else None)
        if problem is not None:
            self._start_over(client)
            return
        for entry in page:
            client.take(entry)
        if len(page) < size and not client.ended:
            state.advance(upto, log.check_at(upto) or 0)

    @rule(client=clients, again=st.integers(0, 3), count=st.integers(0, 8))
    def hear_live(self, client: Client, again: int, count: int) -> None:
        """As a hub does: every entry in order, some of them a second time."""
        state, log = client.state, self.log
        if client.ended or state.epoch != log.epoch or log.floor > state.position:
            return
        for entry in log.entries[max(0, state.position - again) : state.position + count]:
            client.take(entry)

    @rule(client=clients, topic=topics)
    def subscribe(self, client: Client, topic: str) -> None:
        """As a command, which is read once the replay is over."""
        state = client.state
        if client.ended or state.position < client.opened or topic in state.topics:
            return
        if topic in self.log.held(client.user, state.position):
            state.join(topic, state.position)
            client.said.setdefault(state.position, []).append(("Subscribe", topic, state.position))

    @rule(client=clients)
    def take_up_what_was_gained(self, client: Client) -> None:
        """As a transport does beside the live events: what came on the topic since the joining, then what comes."""
        state, gained = client.state, client.gained
        client.gained = {}
        if client.ended or state.epoch != self.log.epoch:
            return
        for topic, position in gained.items():
            if topic in self.log.held(client.user, state.position) and topic not in state.topics:
                client.got += [
                    each.position for each in self.log.entries[position : state.position] if each.topic == topic
                ]
                state.join(topic, state.position)
                client.said.setdefault(state.position, []).append(("Subscribe", topic, position))

    @rule(client=clients, topic=topics)
    def unsubscribe(self, client: Client, topic: str) -> None:
        was_on = topic in client.state.topics

        assert client.state.leave(topic) == was_on
        client.said.setdefault(client.state.position, []).append(("Unsubscribe", topic, 0))

    @rule(client=clients)
    def hand_over_the_cursor(self, client: Client) -> None:
        self.cursors[client.user].append(client.state.cursor)

    @invariant()
    def every_client_was_sent_what_the_model_says(self) -> None:
        for client in self.all:
            assert client.got == expected(self.log, client)

    @invariant()
    def nobody_was_sent_what_they_might_not_read(self) -> None:
        for client in self.all:
            for position in client.got:
                topic = self.log.entries[position - 1].topic
                assert topic in self.log.held(client.user, max(position, client.opened))

    @invariant()
    def nobody_is_on_a_topic_they_lost(self) -> None:
        for client in self.all:
            position = max(client.state.position, client.opened)
            assert client.ended or client.state.topics.keys() <= self.log.held(client.user, position)

    def _open(self, user: str, wanted: set[str], *, start: int, joined: dict[str, int]) -> Client:
        head = self.log.position
        topics = wanted & self.log.held(user, head)
        state = Subscriber(
            user,
            epoch=self.log.epoch,
            position=start,
            check=self.log.check_at(start) or 0,
            rights_position=head,
            topics={topic: joined.get(topic, 0) for topic in topics},
        )
        client = Client(user, state, start, head, frozenset(topics))
        self.all.append(client)
        return client

    def _start_over(self, client: Client) -> None:
        """As after a Reset: rights are read again, what was lost is left, and all begins at the head."""
        head, state = self.log.position, client.state
        for topic in set(state.topics) - self.log.held(client.user, head):
            state.leave(topic)
        state.restart(epoch=self.log.epoch, position=head, check=self.log.check_at(head) or 0)
        client.start = client.opened = head
        client.topics, client.got, client.said, client.gained = frozenset(state.topics), [], {}, {}


TestEveryClientGetsWhatItMust = EveryClientGetsWhatItMust.TestCase
TestEveryClientGetsWhatItMust.settings = settings(max_examples=max(200, settings.default.max_examples))
