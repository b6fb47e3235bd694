"""Taking up a topic on a live connection: a whole replay or a Reset, whatever happens in the middle of it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from accounts.models import User
from realtime import joining, log
from realtime.hub import Hub
from realtime.joining import join_topic
from realtime.protocol.errors import ProtocolError
from realtime.protocol.subscriber import Reason
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import Recorder, connect, grow, prune_all, restore, seq_of, sequence, standing, tell, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet", "small_pages")]

GLOBAL = topic("global")


async def test_who_asks_for_no_past_gets_what_comes_from_now_on(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        await grow(hub, 1, to=[smith])
        member = await connect(hub, alice, GLOBAL)

        joined = await join_topic(hub, member, alice, smith)
        await grow(hub, 2, to=[smith])

        assert joined == (await seq_of(smith) - 1, 0)
        assert member.said == [2]


@pytest.mark.parametrize("back", [0, 3, 12])
async def test_a_replay_brings_what_came_after_a_seq_then_what_comes(alice: User, smith: Topic, back: int) -> None:
    async with standing() as hub:
        for number in range(1, 13):
            await grow(hub, number, to=[smith, GLOBAL])
        seq = await seq_of(smith)
        member = await connect(hub, alice)

        joined = await join_topic(hub, member, alice, smith, after=seq - back)
        await grow(hub, 13, to=[smith])

        assert joined == (seq, back)
        assert member.said == list(range(13 - back, 14))
        assert [frame.placed for frame in member.frames] == [False] * back + [True]
        assert [frame.replayed for frame in member.frames] == [True] * back + [False]
        assert [frame.entry.seq for frame in member.frames] == list(range(seq - back + 1, seq + 2))


async def test_a_gained_topic_is_replayed_from_behind_a_position(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await connect(hub, alice)
        position = hub.follower.position
        await grow(hub, *range(1, 9), to=[smith])

        joined = await join_topic(hub, member, alice, smith, behind=position)

        assert joined == (await seq_of(smith), 8)
        assert member.said == list(range(1, 9))


async def test_a_seq_known_from_a_faster_process_is_waited_for(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await connect(hub, alice)
        await run_db(lambda: tell(1, to=[smith]))
        await run_db(sequence)

        joined = await join_topic(hub, member, alice, smith, after=await seq_of(smith))
        await grow(hub, 2, to=[smith])

        assert joined == (await seq_of(smith) - 1, 0)
        assert member.said == [2]


async def ahead(hub: Hub, smith: Topic) -> int:
    return await seq_of(smith) + 1


async def pruned(hub: Hub, smith: Topic) -> int:
    seq = await seq_of(smith)
    await grow(hub, 1, 2, 3, to=[smith])
    await run_db(prune_all)
    return seq


async def too_far(hub: Hub, smith: Topic) -> int:
    seq = await seq_of(smith)
    await grow(hub, *range(1, 10), to=[smith])
    return seq


@pytest.mark.parametrize(("after", "reason"), [(ahead, "ahead"), (pruned, "trimmed"), (too_far, "trimmed")])
async def test_a_replay_that_cannot_be_whole_is_a_reset_first(
    alice: User, smith: Topic, settings: Settings, after: Callable[[Hub, Topic], Any], reason: Reason
) -> None:
    settings.REALTIME = {**settings.REALTIME, "MAX_REPLAY": 5}
    async with standing() as hub:
        member = await connect(hub, alice)

        joined = await join_topic(hub, member, alice, smith, after=await after(hub, smith))
        await grow(hub, 20, to=[smith])

        seq = await seq_of(smith) - 1
        assert joined == (seq, 0)
        assert member.said == [("reset", reason, {smith: seq}), 20]


async def test_a_floor_that_rises_in_mid_replay_is_a_reset_to_the_topic_s_newest(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await connect(hub, alice)
        seq = await seq_of(smith)
        await grow(hub, *range(1, 15), to=[smith])

        async def prune_once() -> None:
            if member.said == [1, 2, 3]:
                await grow(hub, 15, to=[smith])
                await run_db(prune_all)

        member.between_pages = prune_once
        joined = await join_topic(hub, member, alice, smith, after=seq)
        await grow(hub, 16, to=[smith])

        assert joined == (seq + 15, 4)
        assert member.said == [1, 2, 3, 4, ("reset", "trimmed", {smith: seq + 15}), 16]


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("happened", ["new epoch", "restored"])
async def test_a_history_that_changes_in_mid_replay_is_one_reset(
    alice: User, smith: Topic, happened: str, noticed: bool
) -> None:
    async with standing() as hub:
        member = await connect(hub, alice)
        seq, position = await seq_of(smith), hub.follower.position
        await grow(hub, *range(1, 15), to=[smith])

        async def happen_once() -> None:
            if len(member.said) == 1:
                await run_db(log.new_epoch if happened == "new epoch" else lambda: restore(position + 2))
                hub.follower._doubt.set()
                if noticed:
                    await until(lambda: ("reset", "epoch", {}) in member.said)

        member.between_pages = happen_once
        await join_topic(hub, member, alice, smith, after=seq)
        await until(lambda: hub.follower.histories == 2)
        newest = await seq_of(smith)
        await grow(hub, 20, to=[smith])

        resets = [word for word in member.said if isinstance(word, tuple) and word[2]]
        assert resets == [("reset", "epoch", {smith: newest})]
        assert member.said[-1] == 20
        assert member.said.count(20) == 1


async def test_who_subscribes_before_this_process_has_noticed_a_new_history_is_told_nothing_of_it(
    alice: User, smith: Topic
) -> None:
    async with standing() as hub:
        member = await connect(hub, alice)
        await run_db(log.new_epoch)

        joined = await join_topic(hub, member, alice, smith)
        await grow(hub, 1, to=[smith])

        assert joined == (await seq_of(smith) - 1, 0)
        assert member.said == [("reset", "epoch", {}), 1]  # the hub's own, of no topic


# Bounds and lifetimes


@pytest.mark.parametrize("where", ["in the log", "in the tail"])
async def test_a_replay_sends_no_more_than_the_client_takes(
    alice: User, smith: Topic, settings: Settings, where: str
) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE": 500, "UNSENT_BYTES": 20_000}
    if where == "in the tail":
        settings.REALTIME = {**settings.REALTIME, "TAIL_EVENTS": 1000}
    async with standing() as hub:
        member = await connect(hub, alice)
        seq = await seq_of(smith)
        await grow(hub, *range(60), to=[smith], data="x" * 3000)

        await join_topic(hub, member, alice, smith, after=seq)

        assert member.numbers == list(range(60))
        assert member.most_unsent <= 20_000


async def test_who_leaves_while_a_topic_is_taken_up_leaves_no_trace(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await connect(hub, alice)
        seq = await seq_of(smith)
        await grow(hub, *range(1, 15), to=[smith])

        async def leave_once() -> None:
            hub.leave(member)

        member.between_pages = leave_once
        with pytest.raises(ProtocolError) as refused:
            await join_topic(hub, member, alice, smith, after=seq)

        assert refused.value.code == "unavailable"
        assert not hub.members.topics
        assert not hub.members.users


@pytest.mark.parametrize("where", ["in the log", "in the tail"])
async def test_nothing_more_is_read_for_who_is_gone_while_a_topic_is_taken_up(
    alice: User, smith: Topic, settings: Settings, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "in the tail":
        settings.REALTIME = {**settings.REALTIME, "TAIL_EVENTS": 1000}
    reads, read = [], log.read

    def counted(*args: Any, **options: Any) -> log.Page:
        reads.append(args)
        return read(*args, **options)

    async with standing() as hub:
        member = await connect(hub, alice)
        seq = await seq_of(smith)
        await grow(hub, *range(1, 30), to=[smith])

        async def leave() -> None:
            member.is_open = len(member.said) < 2

        member.between_pages = leave
        monkeypatch.setattr(joining.log, "read", counted)
        with pytest.raises(ProtocolError) as refused:
            await join_topic(hub, member, alice, smith, after=seq)

    assert refused.value.code == "unavailable"
    assert (member.said, len(reads)) == ([1, 2], 1)
    assert not hub.members.on(smith)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_whoever_subscribes_while_the_log_grows_gets_everything_once_and_in_order(
    alice: User, smith: Topic, settings: Settings, seed: int
) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE": 7, "TAIL_EVENTS": 20}
    chance = random.Random(seed)
    async with standing() as hub:
        first = await seq_of(smith)

        def write() -> None:
            try:
                for number in range(1, 301):
                    tell(number, to=[smith] if number % 3 else [GLOBAL])
                    if number % 2:
                        hub.follower.nudge(sequence())  # type: ignore[arg-type]
            finally:
                connections.close_all()

        writer = threading.Thread(target=write)
        writer.start()
        members: list[tuple[Recorder, int]] = []
        while writer.is_alive() or len(members) < 5:
            after = chance.randint(first, await seq_of(smith))
            member = await connect(hub, alice)
            await join_topic(hub, member, alice, smith, after=after)
            members.append((member, after))
        writer.join()
        await run_db(sequence)
        hub.follower._doubt.set()
        head = (await run_db(log.head)).position
        await until(lambda: hub.follower.position == head)

        for member, after in members:
            assert [frame.entry.seq for frame in member.frames] == list(range(after + 1, first + 201))
