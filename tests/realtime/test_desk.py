"""Processes say how they do while somebody watches, answer who is connected, and send away whom they are told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from pytest_django import Settings

from accounts.models import Family, User
from accounts.topics import family_topic
from realtime import log
from realtime.desk import connections, desk, news, words
from realtime.desk.connections import Close, Question
from realtime.hub import Hub
from realtime.relay import relay
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import Recorder, connect, grow, standing, until

pytestmark = pytest.mark.django_db(transaction=True)

STAFF = topic("staff")
GLOBAL = topic("global")
FIGURES = "OperationsFigures"


@pytest.fixture(autouse=True)
def quiet(sleeping_relay: None, settings: Settings) -> None:
    """The tests sequence, announce and beat by themselves; nothing happens by the clock."""
    clock = {"TICK": 3600.0, "HEARTBEAT_INTERVAL": 3600.0, "FIGURES_INTERVAL": 3600.0, "NEWS_INTERVAL": 0.01}
    settings.REALTIME = {**settings.REALTIME, **clock}


class Machine:
    """Processes that hear each other. ``said`` counts the words of each sort."""

    def __init__(self, hubs: list[Hub]) -> None:
        self.hubs = hubs
        self.deaf: set[int] = set()
        self.said: list[str] = []

    def tell(self, message: Any) -> None:
        if message["type"] != words.MESSAGE_TYPE:
            return
        self.said.append(type(words.decode(message["word"])).__name__)
        for number, hub in enumerate(self.hubs):
            if number not in self.deaf:
                hub._hear(message)

    def beat(self) -> None:
        for hub in self.hubs:
            hub.desk._next = 0.0
            hub.desk.beat()


@pytest_asyncio.fixture
async def machine(monkeypatch: pytest.MonkeyPatch, family: Family) -> AsyncIterator[Machine]:
    """Two processes."""
    while await run_db(log.sequence):
        pass
    async with AsyncExitStack() as stack:
        machine = Machine([await stack.enter_async_context(standing(Hub())) for _ in range(2)])
        monkeypatch.setattr(relay, "tell", machine.tell)
        yield machine


def figures(member: Recorder) -> list[Any]:
    return [data for type, data in member.heard if type == FIGURES]


async def told(machine: Machine, member: Recorder) -> Any:
    """The next figures that a member of the staff is told."""
    before = len(figures(member))
    machine.beat()
    await until(lambda: len(figures(member)) > before)
    return figures(member)[-1]


# Figures


async def test_nobody_tells_anything_while_nobody_watches(machine: Machine, alice: User) -> None:
    member = await connect(machine.hubs[0], alice, GLOBAL)

    for _ in range(3):
        machine.beat()
    await grow(machine.hubs[0], 1, to=[GLOBAL])

    assert machine.said == []
    assert member.heard == []
    assert machine.hubs[0].desk._tally.taken() == (0, {}, {})


async def test_staff_on_one_process_is_told_of_all(machine: Machine, admin: User, alice: User, bob: User) -> None:
    here, there = machine.hubs
    watching = await connect(here, admin, STAFF)
    for user in (alice, bob):
        await connect(there, user, GLOBAL)

    await told(machine, watching)  # the other one hears by it that somebody watches
    await until(lambda: len(here.desk.figures().processes) == 2)
    seen = await told(machine, watching)

    assert len(seen["processes"]) == 2
    assert sorted(process["clients"].get("test", 0) for process in seen["processes"]) == [1, 2]
    assert seen["clients"] == {"test": 3}
    assert (seen["head"], seen["lag"], seen["waiting"]) == (here.follower.position, 0, 0.0)


async def test_what_goes_out_is_counted_while_somebody_watches(machine: Machine, admin: User, family: Family) -> None:
    here, _ = machine.hubs
    watching = await connect(here, admin, STAFF, GLOBAL)
    await told(machine, watching)

    await grow(here, 1, 2, 3, to=[GLOBAL])
    await grow(here, 4, to=[family_topic(family.pk)])
    seen = await told(machine, watching)

    busy = {each["topic"]: each for each in seen["topics"]}
    assert watching.said == [1, 2, 3]
    assert seen["events"] > 0
    assert (busy["global"]["clients"], busy["staff"]["clients"]) == (1, 1)
    assert busy["global"]["deliveries"] > 0
    assert busy["staff"]["deliveries"] == 0
    assert seen["p50"] is not None
    assert str(family.pk) not in str(seen)


async def test_a_process_that_falls_silent_is_no_longer_counted(
    machine: Machine, admin: User, settings: Settings
) -> None:
    here, _ = machine.hubs
    watching = await connect(here, admin, STAFF)
    await told(machine, watching)
    await until(lambda: len(here.desk.figures().processes) == 2)

    settings.REALTIME = {**settings.REALTIME, "FIGURES_INTERVAL": 0.02}
    machine.hubs = [here]
    await until(lambda: len(figures_now(machine, here)) == 1)

    assert (await told(machine, watching))["processes"][0]["name"] == here.desk.name


def figures_now(machine: Machine, hub: Hub) -> list[Any]:
    machine.beat()
    return list(hub.desk.figures().processes)


async def test_it_ends_when_nobody_watches_any_more(machine: Machine, admin: User, settings: Settings) -> None:
    here, there = machine.hubs
    watching = await connect(here, admin, STAFF)
    await told(machine, watching)
    assert here.desk.is_watched and there.desk.is_watched

    settings.REALTIME = {**settings.REALTIME, "FIGURES_INTERVAL": 0.0001}
    for hub in machine.hubs:
        hub.desk._watched_until = 0.0
    here.leave(watching)
    machine.said.clear()
    machine.beat()

    assert machine.said == []


async def test_a_database_that_does_not_answer_is_seen_in_the_figures(
    machine: Machine, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    def broken() -> Any:
        raise OperationalError

    watching = await connect(machine.hubs[0], admin, STAFF)
    monkeypatch.setattr(desk, "_log_figures", broken)

    seen = await told(machine, watching)

    assert (seen["head"], seen["waiting"]) == (None, None)


@pytest.mark.parametrize("word", [b"", b"rubbish", "text", None, {"process": "x"}, b"\x81\xa4type\xa5Close"])
async def test_what_is_no_word_is_refused_and_counted(machine: Machine, word: Any) -> None:
    with pytest.raises(ValueError, match="not a word"):
        machine.hubs[0]._hear({"type": words.MESSAGE_TYPE, "word": word})


# Connections


async def test_connections_of_all_processes_are_one_list_newest_first(machine: Machine, alice: User, bob: User) -> None:
    here, there = machine.hubs
    members = [
        await connect(hub, user, GLOBAL) for hub, user in ((here, alice), (there, bob), (here, bob), (there, alice))
    ]
    know_each_other(machine)

    page, following = connections.together(await here.desk.ask(Question()))

    assert [seen.id for seen in page.seen] == [member.id for member in reversed(members)]
    assert (page.total, following) == (4, None)
    assert page.seen[0].topics == ["global"]
    assert page.seen[0].user == str(alice.pk)
    assert page.seen[0].address == "192.0.2.1"


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ({"user": "alice"}, 2),
        ({"transport": "test"}, 3),
        ({"transport": "sse"}, 0),
        ({"topic": "staff"}, 0),
        ({"topic": "global", "user": "bob"}, 1),
    ],
)
async def test_connections_are_found_by_what_they_are(
    machine: Machine, alice: User, bob: User, question: dict[str, str], found: int
) -> None:
    here, there = machine.hubs
    for hub, user in ((here, alice), (there, alice), (there, bob)):
        await connect(hub, user, GLOBAL)
    know_each_other(machine)
    ids = {"alice": str(alice.pk), "bob": str(bob.pk)}

    asked = {name: ids.get(value, value) for name, value in question.items()}
    page, _ = connections.together(await here.desk.ask(Question(**asked)))

    assert (page.total, len(page.seen)) == (found, found)


async def test_whoever_is_furthest_behind_comes_first(machine: Machine, alice: User, bob: User) -> None:
    here, there = machine.hubs
    for hub, unsent in ((here, 10), (there, 5000), (here, 0)):
        (await connect(hub, alice, GLOBAL)).unsent = unsent
    know_each_other(machine)

    page, _ = connections.together(await here.desk.ask(Question(order="behind")))

    assert [seen.behind for seen in page.seen] == [5000, 10, 0]


async def test_pages_go_on_where_the_last_ended_and_miss_nobody(
    machine: Machine, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PAGE", 3)
    members = [await connect(machine.hubs[number % 2], alice, GLOBAL) for number in range(8)]
    know_each_other(machine)

    seen: list[str] = []
    after = None
    for _ in range(3):
        page, after = connections.together(await machine.hubs[0].desk.ask(Question(after=after)))
        assert page.total == 8
        seen += [each.id for each in page.seen]

    assert seen == [member.id for member in reversed(members)]
    assert after is None


async def test_a_process_that_does_not_answer_is_waited_for_a_moment_only(
    machine: Machine, alice: User, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "ASK_TIMEOUT": 0.02}
    here, there = machine.hubs
    for hub in (here, there):
        await connect(hub, alice, GLOBAL)
    know_each_other(machine)
    machine.deaf = {1}

    page, _ = connections.together(await here.desk.ask(Question()))

    assert page.total == 1
    assert here.desk._open == {}


async def test_one_connection_is_sent_away_wherever_it_is_and_may_come_back(machine: Machine, alice: User) -> None:
    here, there = machine.hubs
    going, staying = await connect(there, alice, GLOBAL), await connect(there, alice, GLOBAL)
    know_each_other(machine)

    answers = await here.desk.ask(Close(connection=going.id))

    assert sum(answer.total for answer in answers) == 1
    assert (going.said, staying.said) == ([("closed", 1012)], [])


async def test_all_of_a_users_connections_are_sent_away_and_nobody_elses(
    machine: Machine, alice: User, bob: User
) -> None:
    here, there = machine.hubs
    going = [await connect(hub, alice, GLOBAL) for hub in (here, there)]
    staying = await connect(there, bob, GLOBAL)
    know_each_other(machine)

    answers = await here.desk.ask(Close(user=str(alice.pk)))

    assert sorted(seen.id for answer in answers for seen in answer.seen) == sorted(member.id for member in going)
    assert [member.said for member in going] == [[("closed", 1012)]] * 2
    assert staying.said == []


async def test_an_order_that_names_nobody_sends_nobody_away(machine: Machine, alice: User) -> None:
    member = await connect(machine.hubs[0], alice, GLOBAL)
    know_each_other(machine)

    answers = await machine.hubs[0].desk.ask(Close())

    assert sum(answer.total for answer in answers) == 0
    assert member.said == []


def know_each_other(machine: Machine) -> None:
    """Let each process have heard of the other, as after a look at the figures."""
    for hub in machine.hubs:
        for other in machine.hubs:
            hub.desk._note(other.desk.process, empty_figures(other))


def empty_figures(hub: Hub) -> Any:
    from tests.realtime.test_figures import figures

    return figures(hub.desk.process)


# News of rows


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of the type Note tell of boards, by their number."""
    monkeypatch.setitem(news._models, "Note", {"app.board": "n", "app.list": ""})


def changes(member: Recorder) -> list[Any]:
    return [data for type, data in member.heard if type == "RowsChanged"]


async def test_staff_is_told_how_many_rows_of_which_model_and_nothing_more(
    machine: Machine, admin: User, smith: Topic, boards: None
) -> None:
    here, _ = machine.hubs
    member = await connect(here, admin, STAFF)

    await grow(here, 1, 2, to=[smith], data="a secret")
    await until(lambda: bool(changes(member)))

    assert changes(member) == [{"changes": {"app.board": 2, "app.list": 2}}]
    assert member.said == []


async def test_an_event_on_two_topics_is_one_change(machine: Machine, admin: User, smith: Topic, boards: None) -> None:
    here, _ = machine.hubs
    member = await connect(here, admin, STAFF)

    await grow(here, 1, to=[smith, GLOBAL])
    await until(lambda: bool(changes(member)))

    assert changes(member) == [{"changes": {"app.board": 1, "app.list": 1}}]


async def test_what_comes_close_together_is_said_once(
    machine: Machine, admin: User, smith: Topic, boards: None, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "NEWS_INTERVAL": 0.5}
    here, _ = machine.hubs
    member = await connect(here, admin, STAFF)

    for number in range(5):
        await grow(here, number, to=[smith])
    await until(lambda: bool(changes(member)))

    assert changes(member) == [{"changes": {"app.board": 5, "app.list": 5}}]


async def test_events_that_tell_of_no_known_row_are_no_news(machine: Machine, admin: User, smith: Topic) -> None:
    here, _ = machine.hubs
    member = await connect(here, admin, STAFF)

    await grow(here, 1, to=[smith])

    assert here.desk.news._timer is None
    assert changes(member) == []


async def test_nothing_is_gathered_while_no_staff_listens(
    machine: Machine, alice: User, smith: Topic, boards: None
) -> None:
    here, _ = machine.hubs
    await connect(here, alice, smith)

    await grow(here, 1, to=[smith])

    assert here.desk.news._ids == {}


@pytest.fixture
def smith(family: Family) -> Topic:
    """The topic of alice's, bob's and vera's family."""
    return family_topic(family.pk)
