"""Taking up a topic on a live connection: a whole replay or a Reset, and nothing without the right."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction
from pytest_django import Settings

from accounts.models import Family, Membership, User
from accounts.topics import family_topic
from realtime import joining, log
from realtime.hub import Hub
from realtime.joining import join_topic
from realtime.outbox import rights_changed
from realtime.protocol.entry import Batch
from realtime.protocol.errors import ProtocolError
from realtime.protocol.subscriber import Reason
from realtime.relay import relay
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import (
    Recorder,
    announce,
    connect,
    grow,
    prune_all,
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
    """The tests sequence and announce by themselves; pages and tail are small, and nothing happens by the clock."""
    monkeypatch.setattr(relay, "wake", lambda: None)
    settings.REALTIME = {
        **settings.REALTIME,
        "TICK": 3600.0,
        "HEARTBEAT_INTERVAL": 3600.0,
        "PAGE": 4,
        "TAIL_EVENTS": 5,
    }


@pytest.fixture
def smith(family: Family) -> Topic:
    """The topic of alice's, bob's and vera's family."""
    sequence()
    return family_topic(family.pk)


@pytest.fixture
def jones(other_family: Family) -> Topic:
    """The topic of charlie's family."""
    sequence()
    return family_topic(other_family.pk)


async def seq_of(name: Topic) -> int:
    return (await run_db(lambda: log.heads([name])))[1][name]


async def change(hub: Hub, *works: Callable[[], Any]) -> None:
    """Do all in one transaction and announce it."""

    def do() -> None:
        with transaction.atomic():
            for work in works:
                work()

    await run_db(do)
    await announce(hub)


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


@pytest.mark.parametrize(
    "name", ["family:00000000-0000-0000-0000-000000000000", "family:1", "control:1", "", "\x00", "staff", "jones"]
)
async def test_a_topic_that_is_not_to_be_read_is_refused_alike(alice: User, jones: Topic, name: str) -> None:
    async with standing() as hub:
        member = await connect(hub, alice, GLOBAL)

        with pytest.raises(ProtocolError) as refused:
            await join_topic(hub, member, alice, jones if name == "jones" else name, after=0)

        assert (refused.value.code, refused.value.message) == ("forbidden", ProtocolError("forbidden").message)
        assert member.state.topics == {GLOBAL: 0}
        assert member.said == []


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


# Rights


async def test_what_was_said_while_one_was_no_member_is_not_replayed(alice: User, charlie: User, jones: Topic) -> None:
    family = await run_db(lambda: Family.objects.get(pk=jones.partition(":")[2]))
    async with standing() as hub:
        member = await connect(hub, alice)
        seq = await seq_of(jones)
        await grow(hub, 1, to=[jones])
        await run_db(lambda: Membership(family=family, user=alice).save_base(raw=True, force_insert=True))
        await change(hub, lambda: rights_changed(alice.pk, gained=[jones]), lambda: tell(2, to=[jones]))

        joined = await join_topic(hub, member, alice, jones, after=seq)

        assert joined == (seq + 2, 1)
        assert member.said[1:] == [2]


async def test_a_gain_taken_up_late_begins_at_the_latest_joining(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await connect(hub, alice)
        await change(hub, lambda: rights_changed(alice.pk, gained=[smith]), lambda: tell(1, to=[smith]))
        first = member.said[0][-1]
        await change(hub, lambda: rights_changed(alice.pk, lost=[smith]), lambda: tell(2, to=[smith]))
        await change(hub, lambda: rights_changed(alice.pk, gained=[smith]), lambda: tell(3, to=[smith]))
        member.said.clear()

        await join_topic(hub, member, alice, smith, behind=first)

        assert member.said == [3]


async def test_nothing_is_sent_behind_a_removal_in_mid_replay(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await connect(hub, alice, GLOBAL)
        seq = await seq_of(smith)
        await grow(hub, *range(1, 15), to=[smith])

        async def remove_once() -> None:
            if member.said == [1, 2]:
                await change(hub, lambda: Membership.objects.filter(user=alice).delete())
                await grow(hub, 15, to=[smith])

        member.between_pages = remove_once
        with pytest.raises(ProtocolError) as refused:
            await join_topic(hub, member, alice, smith, after=seq)
        await grow(hub, 16, to=[smith])

        assert refused.value.code == "forbidden"
        assert member.said == [1, 2, 3, 4]  # the page that had been read before
        assert member.state.topics == {GLOBAL: 0}


async def test_a_page_read_across_a_removal_is_not_sent(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal is committed and obeyed while the page is on its way; the page holds what came after it."""
    loop = asyncio.get_running_loop()
    async with standing() as hub:
        member = await connect(hub, alice, GLOBAL)
        seq = await seq_of(smith)
        await grow(hub, *range(1, 15), to=[smith])
        read, losses = log.read, iter([Membership.objects.filter(user=alice).delete])

        def read_and_lose(*args: Any, **options: Any) -> log.Page:
            for lose in losses:
                lose()
                head = log.head()
                while log.sequence():
                    pass
                entries = read(head.position, limit=100).entries
                batch = Batch(head.epoch, entries[0].position, entries[-1].position, entries)
                asyncio.run_coroutine_threadsafe(take(batch), loop).result()
            return read(*args, **options)

        async def take(batch: Any) -> None:
            hub.follower.take(batch)

        monkeypatch.setattr(joining.log, "read", read_and_lose)
        with pytest.raises(ProtocolError) as refused:
            await join_topic(hub, member, alice, smith, after=seq)

        assert refused.value.code == "forbidden"
        assert member.numbers == []


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
