"""Staff find who is connected to whichever process, and send them away."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from realtime.desk import connections
from realtime.desk.connections import Close, Question
from realtime.hub import Hub
from realtime.topics import topic
from tests.realtime.machine import Machine, machine
from tests.realtime.recorder import connect

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["machine"]

GLOBAL = topic("global")


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
