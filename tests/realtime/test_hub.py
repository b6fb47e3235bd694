"""Who is on what in this process, and what each of them is told: each entry once, and rights before anything later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from accounts.models import Family, Membership, User
from accounts.topics import family_topic
from realtime import log
from realtime.hub import Hub
from realtime.hubs import hub
from realtime.models import LogHead
from realtime.outbox import end_sessions, rights_changed
from realtime.protocol.errors import ProtocolError
from realtime.relay import relay
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import (
    PATIENCE,
    Recorder,
    announce,
    connect,
    grow,
    opened,
    restore,
    sequence,
    standing,
    tell,
    until,
)

pytestmark = pytest.mark.django_db(transaction=True)

GLOBAL = topic("global")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The tests sequence and announce by themselves; nothing happens by the clock."""
    monkeypatch.setattr(relay, "wake", lambda: None)
    settings.REALTIME = {**settings.REALTIME, "TICK": 3600.0, "HEARTBEAT_INTERVAL": 3600.0}


@pytest.fixture
def smith(family: Family) -> Topic:
    """The topic of alice's, bob's and vera's family."""
    while log.sequence():
        pass
    return family_topic(family.pk)


def is_empty(hub: Hub) -> bool:
    return not hub.members.topics and not hub.members.users


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


# Control entries


async def change(hub: Hub, *works: Callable[[], Any]) -> None:
    """Do all in one transaction and announce it as one batch."""

    def do() -> None:
        with transaction.atomic():
            for work in works:
                work()

    await run_db(do)
    await announce(hub)


async def test_rights_are_lost_before_anything_later_is_handed_out(alice: User, bob: User, smith: Topic) -> None:
    async with standing() as hub:
        removed, staying = await connect(hub, alice, smith, GLOBAL), await connect(hub, bob, smith)

        await change(
            hub,
            lambda: tell(1, to=[smith]),
            lambda: rights_changed(alice.pk, lost=[smith]),
            lambda: tell(2, to=[smith]),
            lambda: tell(3, to=[GLOBAL]),
        )

        assert removed.said == [1, ("revoked", smith), 3]
        assert staying.said == [1, 2]
        hub.leave(removed)
        hub.leave(staying)
        assert is_empty(hub)


async def test_gained_topics_are_offered_with_the_place_of_the_joining(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await connect(hub, alice, GLOBAL)

        await change(hub, lambda: rights_changed(alice.pk, gained=[smith]))

        assert member.said == [("gained", smith, hub.follower.position)]


async def test_ended_sessions_end_each_connection_of_the_user_and_nobody_else_s(
    alice: User, bob: User, smith: Topic
) -> None:
    async with standing() as hub:
        ended = [await connect(hub, alice, smith), await connect(hub, alice, GLOBAL)]
        staying = await connect(hub, bob, smith)

        await change(hub, lambda: end_sessions(alice.pk), lambda: tell(1, to=[smith, GLOBAL]))

        assert [member.said for member in ended] == [["ended"], ["ended"]]
        assert staying.said == [1]


async def test_who_joins_obeys_what_stands_in_the_tail(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        start = await opened(hub, alice, smith, GLOBAL)
        ending = await opened(hub, alice, smith)
        await change(
            hub,
            lambda: tell(1, to=[smith]),
            lambda: rights_changed(alice.pk, lost=[smith]),
            lambda: tell(2, to=[smith, GLOBAL]),
        )
        await change(hub, lambda: end_sessions(alice.pk), lambda: tell(3, to=[GLOBAL]))

        assert not hub.join(start)
        assert not hub.join(ending)

        assert start.said == [1, ("revoked", smith), 2, "ended"]
        assert ending.said == [1, ("revoked", smith), "ended"]
        assert is_empty(hub)


# Another history


async def notice(hub: Hub) -> None:
    """Let the follower ask the log until it has seen that history changed."""
    epoch = hub.follower.epoch
    before = hub.follower.place
    hub.follower._doubt.set()
    await until(lambda: hub.follower.started and (hub.follower.epoch != epoch or hub.follower.place != before))


@pytest.mark.parametrize("happened", [log.new_epoch, lambda: restore(6)], ids=["new epoch", "restored"])
async def test_everyone_is_told_where_a_new_history_stands_and_goes_on_from_there(
    alice: User, bob: User, smith: Topic, happened: Callable[[], Any]
) -> None:
    async with standing() as hub:
        members = [await connect(hub, alice, smith, GLOBAL), await connect(hub, bob, smith)]
        await grow(hub, 1, to=[smith])

        await run_db(happened)
        await notice(hub)
        head, seqs = await run_db(lambda: log.heads([smith, GLOBAL]))
        assert [member.state.cursor for member in members] == [head.cursor] * 2
        await grow(hub, 2, to=[smith])

        assert members[0].said == [1, ("reset", "epoch", seqs), 2]
        assert members[1].said == [1, ("reset", "epoch", {smith: seqs[smith]}), 2]


async def test_rights_that_went_with_the_old_history_are_revoked(alice: User, bob: User, smith: Topic) -> None:
    async with standing() as hub:
        removed, staying = await connect(hub, alice, smith, GLOBAL), await connect(hub, bob, smith)
        await run_db(lambda: Membership.objects.filter(user=alice).untold_update(is_active=False))

        await run_db(log.new_epoch)
        await notice(hub)
        await grow(hub, 1, to=[smith])

        assert removed.said == [("revoked", smith), ("reset", "epoch", {GLOBAL: 0})]
        assert staying.said == [("reset", "epoch", {smith: 4}), 1]


async def test_who_was_deactivated_or_signed_out_meanwhile_is_ended(
    alice: User, bob: User, vera: User, smith: Topic
) -> None:
    async with standing() as hub:
        inactive, signed_out, staying = [await connect(hub, user, GLOBAL) for user in (alice, bob, vera)]
        await run_db(lambda: User.objects.filter(pk=alice.pk).untold_update(is_active=False))
        await run_db(lambda: in_transaction(lambda: end_sessions(bob.pk)))
        await run_db(sequence)

        await run_db(log.new_epoch)
        await notice(hub)

        assert inactive.said == ["ended"]
        assert signed_out.said == ["ended"]
        assert staying.said == [("reset", "epoch", {GLOBAL: 0})]


def in_transaction(work: Callable[[], Any]) -> None:
    with transaction.atomic():
        work()


async def test_who_comes_while_everyone_starts_over_waits_and_is_told_nothing_wrong(
    alice: User, bob: User, smith: Topic
) -> None:
    async with standing() as hub:
        early = await connect(hub, alice, smith)
        start_over = hub.follower._on_reset
        coming: list[asyncio.Task[Recorder]] = []

        async def with_a_newcomer(reason: Any) -> None:
            coming.append(asyncio.ensure_future(connect(hub, bob, smith)))
            await asyncio.wait(coming, timeout=0.2)
            await start_over(reason)

        hub.follower._on_reset = with_a_newcomer
        await run_db(restore, 5)
        await notice(hub)
        late = await coming[0]
        await grow(hub, 1, to=[smith])

        seqs = {smith: (await run_db(lambda: log.heads([smith])))[1][smith] - 1}
        assert early.said == [("reset", "epoch", seqs), 1]
        assert late.said in ([1], [("reset", "epoch", seqs), 1])


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


def rename_head(old: str, new: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")


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
