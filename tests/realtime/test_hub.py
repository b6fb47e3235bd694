"""Who is on what in this process, and what each of them is told: each entry once, from the first to the last."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import Family, User
from accounts.topics import family_topic
from realtime import log
from realtime.hub import Hub
from realtime.hubs import hub
from realtime.models import LogHead
from realtime.protocol.errors import ProtocolError
from realtime.relay import relay
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import (
    PATIENCE,
    connect,
    grow,
    is_empty,
    opened,
    rename_head,
    sequence,
    standing,
    tell,
    until,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]

GLOBAL = topic("global")


# Joining and leaving


async def test_who_joins_gets_the_rest_from_the_tail_and_then_what_comes(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        start = hub.follower.place
        await grow(hub, 1, 2, to=[smith])

        member = await connect(hub, alice, smith, cursor=start)
        await grow(hub, 3, to=[smith])

        assert member.said == [1, 2, 3]
        assert [frame.replayed for frame in member.frames] == [True, True, False]
        assert [frame.placed for frame in member.frames] == [True, True, True]
        assert member.state.cursor == hub.follower.place


async def test_who_joins_twice_is_a_member_once(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await connect(hub, alice, smith)

        assert hub.join(member)
        await grow(hub, 1, to=[smith])
        hub.leave(member)

        assert member.said == [1]
        assert is_empty(hub)


@pytest.mark.parametrize("reason", ["another epoch", "ahead", "starting over", "before the tail", "too much"])
async def test_nobody_joins_who_could_not_be_sent_all_of_it(
    alice: User, smith: Topic, settings: Settings, reason: str
) -> None:
    async with standing() as hub:
        start = hub.follower.place
        await grow(hub, 1, 2, 3, to=[smith])
        member = await opened(hub, alice, smith, cursor=start)
        match reason:
            case "another epoch":
                member.state.epoch = "another"
            case "ahead":
                member.state.position = hub.follower.position + 1
            case "starting over":
                hub.follower._broken = "epoch"
            case "before the tail":
                hub.follower.restart(await run_db(log.head))
            case "too much":
                settings.REALTIME = {**settings.REALTIME, "PAGE": 2}

        assert not hub.join(member)

        assert member.said == []
        assert is_empty(hub)


async def test_who_leaves_hears_no_more_and_leaves_no_trace(alice: User, bob: User, smith: Topic) -> None:
    async with standing() as hub:
        leaving, staying = await connect(hub, alice, smith, GLOBAL), await connect(hub, bob, smith)
        hub.unsubscribe(leaving, smith)
        hub.subscribe(leaving, smith)

        hub.leave(leaving)
        hub.leave(leaving)
        await grow(hub, 1, to=[smith])

        assert (leaving.said, staying.said) == ([], [1])
        hub.leave(staying)
        assert is_empty(hub)


async def test_leaving_before_joining_is_harmless(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await opened(hub, alice, smith)

        hub.leave(member)
        hub.unsubscribe(member, smith)

        assert not hub.has(member)
        assert is_empty(hub)


async def test_a_member_that_stands_was_sent_everything_up_to_there(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await connect(hub, alice, smith)
        await grow(hub, 1, to=[GLOBAL])
        assert member.state.position < hub.follower.position

        hub.stand(member)

        assert member.state.cursor == hub.follower.place
        await grow(hub, 2, to=[smith])
        assert member.said == [2]


# Fan-out


async def test_each_hears_what_is_on_its_topics_once_and_in_order(
    alice: User, charlie: User, smith: Topic, other_family: Family
) -> None:
    await run_db(sequence)
    jones = family_topic(other_family.pk)
    async with standing() as hub:
        one, two = await connect(hub, alice, smith, GLOBAL), await connect(hub, charlie, jones, GLOBAL)
        await grow(hub, 1, to=[smith])
        await grow(hub, 2, to=[jones])
        await grow(hub, 3, to=[GLOBAL, smith])
        await grow(hub, 4, 5, to=[jones])

        assert (one.said, two.said) == ([1, 3, 3], [2, 3, 4, 5])
        assert [frame.entry.topic for frame in one.frames] == [smith, GLOBAL, smith]


async def test_everybody_is_sent_the_same_bytes(alice: User, bob: User, smith: Topic) -> None:
    async with standing() as hub:
        members = [await connect(hub, user, smith) for user in (alice, bob, alice)]

        await grow(hub, 1, to=[smith])

        first, second, third = (member.frames[0] for member in members)
        assert first is second is third


async def test_a_member_that_fails_is_sent_away_and_costs_the_others_nothing(
    alice: User, bob: User, smith: Topic
) -> None:
    async with standing() as hub:
        bad, good = await connect(hub, alice, smith), await connect(hub, bob, smith)
        bad.error = ArithmeticError()

        await grow(hub, 1, 2, to=[smith])

        assert (bad.said, good.said) == (["failed"], [1, 2])
        assert not hub.has(bad)
        assert good.state.position == hub.follower.position


async def test_one_heart_that_fails_stops_no_other(alice: User, bob: User, smith: Topic, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "HEARTBEAT_INTERVAL": 0.04}
    async with standing() as hub:
        bad, good = await connect(hub, alice, smith), await connect(hub, bob, smith)
        bad.error = ArithmeticError()

        await until(lambda: good.said.count("beat") >= 3)

        assert "failed" in bad.said
        assert not hub.has(bad)


# Lifetimes


async def test_nobody_is_let_in_before_the_log_answers(settings: Settings, transactional_db: None) -> None:
    settings.REALTIME = {**settings.REALTIME, "START_TIMEOUT": 0.1, "TICK": 0.05}
    await run_db(rename_head, LogHead._meta.db_table, "elsewhere")
    own = Hub()

    with pytest.raises(ProtocolError) as refused:
        await own.ready()
    await run_db(rename_head, "elsewhere", LogHead._meta.db_table)

    assert refused.value.code == "unavailable"
    async with standing(own):
        assert own.follower.started


async def test_a_hub_that_drains_sends_everybody_away_and_lets_nobody_in(alice: User, bob: User, smith: Topic) -> None:
    async with standing() as hub:
        members = [await connect(hub, user, smith) for user in (alice, bob, alice)]

        await hub.drain(0.01)

        assert [member.said for member in members] == [["drained"]] * 3
        assert is_empty(hub)
        with pytest.raises(ProtocolError) as refused:
            await hub.ready()
        assert refused.value.code == "draining"


def test_each_event_loop_has_a_hub_of_its_own_that_hears_everything(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # here the relay is awake
    hubs: list[Hub] = []
    said: list[list[Any]] = []

    async def serve() -> None:
        async with standing(hub()) as own:
            assert hub() is own
            hubs.append(own)
            member = await connect(own, alice, smith)
            await until(lambda: len(hubs) == 2 and all(each.members.users for each in hubs))
            if own is hubs[0]:
                await run_db(lambda: tell(1, 2, 3, to=[smith]))
            await until(lambda: len(member.said) == 3)
            said.append(member.said)
            await until(lambda: len(said) == 2)

    threads = [Thread(target=lambda: asyncio.run(serve())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)

    assert hubs[0] is not hubs[1]
    assert said == [[1, 2, 3], [1, 2, 3]]
    assert not relay._nudges
