"""Taking up a topic on a live connection: nothing without the right, and nothing from before it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from accounts.models import Family, Membership, User
from realtime import joining, log
from realtime.joining import join_topic
from realtime.outbox import rights_changed
from realtime.protocol.entry import Batch
from realtime.protocol.errors import ProtocolError
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import change, connect, grow, seq_of, standing, tell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet", "small_pages")]

GLOBAL = topic("global")


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
