"""A history that changes under a client that comes back is one reset: never a part, never silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from config.services.waiting import wait_until
from realtime import log, resume
from realtime.access import present
from realtime.hub import Hub
from realtime.protocol.cursor import Cursor
from realtime.resume import replay
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import (
    PATIENCE,
    Recorder,
    connect,
    fill,
    grow,
    newest,
    opened,
    prune_all,
    restore,
    standing,
    tell,
    until,
    wanted,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet", "small_pages")]

GLOBAL = topic("global")


async def test_a_floor_that_rises_in_mid_replay_is_a_reset_and_never_a_part(alice: User, smith: Topic) -> None:
    cursor = await run_db(newest)
    await run_db(lambda: fill(*range(1, 20), to=[smith]))
    async with standing() as hub:

        async def prune_once() -> None:
            if member.said == [1, 2, 3, 4]:
                await run_db(prune_all)

        member = await opened(hub, alice, smith, cursor=cursor)
        member.between_pages = prune_once
        await replay(hub, member, lambda: present(alice), wanted(smith))
        head, seqs = await run_db(lambda: log.heads([smith]))
        await grow(hub, 20, to=[smith])

        assert member.said == [1, 2, 3, 4, ("reset", "trimmed", seqs), 20]
        assert member.state.position == head.position + 1


@pytest.mark.parametrize("noticed", ["at once", "when asked"])
@pytest.mark.parametrize("happened", ["new epoch", "restored"])
async def test_a_history_that_changes_in_mid_replay_is_a_reset(
    alice: User, smith: Topic, happened: str, noticed: str
) -> None:
    """One, also where this process is the last to notice: it joins nobody to a place that the log has no more."""
    cursor = await run_db(newest)
    await run_db(lambda: fill(*range(1, 20), to=[smith]))
    async with standing() as hub:
        happenings = iter([happened])

        async def happen_once() -> None:
            for name in happenings:
                await run_db(log.new_epoch if name == "new epoch" else lambda: restore(cursor.position + 1))
                if noticed == "at once":
                    hub.follower._doubt.set()

        member = await opened(hub, alice, GLOBAL, smith, cursor=cursor)
        member.between_pages = happen_once
        await replay(hub, member, lambda: present(alice), wanted(smith, GLOBAL))
        head, seqs = await run_db(lambda: log.heads([smith, GLOBAL]))
        await grow(hub, 20, to=[smith])

        assert hub.follower.histories == 2
        resets = [word for word in member.said if isinstance(word, tuple)]
        assert resets == [("reset", "epoch", seqs)]
        assert member.said[-2:] == [("reset", "epoch", seqs), 20]
        assert member.state.epoch == head.epoch


async def replayed_while_restored(
    hub: Hub, user: User, on: Topic, cursor: Cursor, *regrow: Callable[[], Any]
) -> Recorder:
    """A client that had four events of its replay when the log lost all but one of them, and grew again."""

    async def restore_and_grow() -> None:
        if member.said != [1, 2, 3, 4]:
            return
        await run_db(restore, cursor.position + 1)
        for grow_again in regrow:
            await run_db(grow_again)
        hub.follower._doubt.set()
        await until(lambda: hub.follower.histories == 2)

    member = await opened(hub, user, on, cursor=cursor)
    member.between_pages = restore_and_grow
    await replay(hub, member, lambda: present(user), wanted(on))
    return member


async def test_a_log_that_was_restored_and_grew_past_a_client_in_mid_replay_is_a_reset(
    alice: User, smith: Topic
) -> None:
    """What the new history has below the client's place would be missing, and nothing would say so."""
    cursor = await run_db(newest)
    await run_db(lambda: fill(*range(1, 20), to=[smith]))
    async with standing() as hub:
        member = await replayed_while_restored(hub, alice, smith, cursor, lambda: fill(*range(102, 130), to=[smith]))
        seqs = (await run_db(lambda: log.heads([smith])))[1]
        await grow(hub, 130, to=[smith])

        assert member.said == [1, 2, 3, 4, ("reset", "epoch", seqs), 130]


async def test_who_is_reset_by_a_restored_log_is_given_what_is_open_below_its_place_too(
    alice: User, smith: Topic
) -> None:
    cursor = await run_db(newest)
    await run_db(lambda: fill(*range(1, 20), to=[smith]))
    open_one, rest = lambda: tell(102, to=[smith], ack=True), lambda: fill(*range(103, 130), to=[smith])
    async with standing() as hub:
        member = await replayed_while_restored(hub, alice, smith, cursor, open_one, rest)
        seqs = (await run_db(lambda: log.heads([smith])))[1]

        assert member.said == [1, 2, 3, 4, ("reset", "epoch", seqs), 102]


async def test_a_client_that_was_admitted_before_the_log_was_restored_is_reset(alice: User, smith: Topic) -> None:
    await run_db(lambda: fill(1, 2, 3, to=[smith]))
    async with standing() as hub:
        history = hub.follower.history
        member = await opened(hub, alice, smith)
        await run_db(restore, member.state.position - 1)
        hub.follower._doubt.set()
        await until(lambda: hub.follower.histories == 2)
        await grow(hub, 103, 104, to=[smith])

        await replay(hub, member, lambda: present(alice), wanted(smith), history)
        seqs = (await run_db(lambda: log.heads([smith])))[1]
        await grow(hub, 105, to=[smith])

        assert member.said == [("reset", "epoch", seqs), 105]


async def test_who_is_reset_off_the_hub_keeps_what_it_took_up_since_it_came_and_may_still_read(
    alice: User, smith: Topic
) -> None:
    async with standing() as hub:
        member = await connect(hub, alice, smith, topic("user", alice.pk))
        hub.unsubscribe(member, topic("user", alice.pk))
        hub.subscribe(member, GLOBAL)
        hub.subscribe(member, topic("staff"))
        history = hub.follower.history
        hub.leave(member)  # as for a topic that it gains
        await run_db(log.new_epoch)
        hub.follower._doubt.set()
        await until(lambda: hub.follower.histories == 2)

        await replay(hub, member, lambda: present(alice), wanted(smith, topic("user", alice.pk)), history)
        seqs = (await run_db(lambda: log.heads([smith, GLOBAL])))[1]
        await grow(hub, 1, to=[GLOBAL])

        assert member.said == [("reset", "epoch", seqs), 1]


async def test_a_client_of_a_history_that_this_process_has_not_noticed_waits_for_it_without_asking_on_and_on(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    read = resume._page

    def count(state: Any, upto: int) -> log.Page:
        asked.append(upto)
        return read(state, upto)

    monkeypatch.setattr(resume, "_page", count)
    async with standing() as hub:
        old = hub.follower.epoch
        await run_db(log.new_epoch)
        member = await opened(hub, alice, smith)
        assert member.state.epoch != hub.follower.epoch == old

        await replay(hub, member, lambda: present(alice), wanted(smith))
        await grow(hub, 1, to=[smith])

        assert member.said == [1]
        assert len(asked) <= 2


async def test_a_place_taken_in_the_old_history_is_not_one_of_the_new(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The follower starts over, further back, while a page is read up to where it stood before."""
    await run_db(lambda: fill(*range(1, 20), to=[GLOBAL]))
    read = resume._page
    async with standing() as hub:
        await run_db(restore, 8)
        await run_db(log.new_epoch)
        member = await opened(hub, alice, smith)

        loop = asyncio.get_running_loop()

        def read_meanwhile(state: Any, upto: int) -> log.Page:
            page = read(state, upto)
            loop.call_soon_threadsafe(hub.follower._doubt.set)
            wait_until(lambda: hub.follower.epoch == state.epoch, PATIENCE, lambda: "it was not noticed")
            return page

        monkeypatch.setattr(resume, "_page", read_meanwhile)
        await replay(hub, member, lambda: present(alice), wanted(smith))
        await grow(hub, 20, to=[smith])

        assert member.state.position == hub.follower.position == 9
        assert member.said == [20]
