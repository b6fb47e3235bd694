"""Processes say how they do while somebody watches, and which rows have changed."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import Family, User
from accounts.topics import family_topic
from realtime.desk import desk, news, words
from realtime.hub import Hub
from realtime.topics import Topic, topic
from tests.realtime.machine import Machine, machine
from tests.realtime.recorder import Recorder, connect, grow, until

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["machine"]

STAFF = topic("staff")
GLOBAL = topic("global")
FIGURES = "OperationsFigures"


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


# News of rows


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of the type Note tell of boards, by their number."""
    monkeypatch.setitem(news._models, "Note", {"app.board": "n", "app.list": ""})


def changes(member: Recorder) -> list[Any]:
    return [data for type, data in member.heard if type == "RowsChanged"]


async def changes_now(hub: Hub, member: Recorder) -> list[Any]:
    """What a member has been told of rows, once the moment for which changes are gathered is over."""
    timer = hub.desk.news._timer
    assert timer is not None
    timer.cancel()
    hub.desk.news._tell()
    await until(lambda: bool(changes(member)))
    return changes(member)


async def test_staff_is_told_how_many_rows_of_which_model_and_nothing_more(
    machine: Machine, admin: User, smith: Topic, boards: None
) -> None:
    here, _ = machine.hubs
    member = await connect(here, admin, STAFF)

    await grow(here, 1, 2, to=[smith], data="a secret")

    assert await changes_now(here, member) == [{"changes": {"app.board": 2, "app.list": 2}}]
    assert member.said == []


async def test_an_event_on_two_topics_is_one_change(machine: Machine, admin: User, smith: Topic, boards: None) -> None:
    here, _ = machine.hubs
    member = await connect(here, admin, STAFF)

    await grow(here, 1, to=[smith, GLOBAL])

    assert await changes_now(here, member) == [{"changes": {"app.board": 1, "app.list": 1}}]


async def test_what_comes_close_together_is_said_once(
    machine: Machine, admin: User, smith: Topic, boards: None
) -> None:
    here, _ = machine.hubs
    member = await connect(here, admin, STAFF)

    for number in range(5):
        await grow(here, number, to=[smith])
    assert changes(member) == []

    assert await changes_now(here, member) == [{"changes": {"app.board": 5, "app.list": 5}}]


async def test_what_comes_later_is_said_after_another_moment(
    machine: Machine, admin: User, smith: Topic, boards: None, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "NEWS_INTERVAL": 0.01}
    here, _ = machine.hubs
    member = await connect(here, admin, STAFF)

    for number in (1, 2):
        await grow(here, number, to=[smith])
        await until(lambda count=number: len(changes(member)) == count)

    assert changes(member) == [{"changes": {"app.board": 1, "app.list": 1}}] * 2


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
