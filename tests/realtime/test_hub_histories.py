"""When the log is another, everybody in this process is told where it stands, and has the rights that it gives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from accounts.models import Membership, User
from realtime import log
from realtime.access import present
from realtime.hub import Hub
from realtime.outbox import end_sessions
from realtime.resume import replay
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import (
    Recorder,
    connect,
    grow,
    in_transaction,
    opened,
    restore,
    seq_of,
    standing,
    until,
    wanted,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]

GLOBAL = topic("global")


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


async def test_topics_that_come_with_the_new_history_are_given_to_who_is_on_those_that_come_without_asking(
    alice: User, smith: Topic
) -> None:
    await run_db(lambda: Membership.objects.filter(user=alice).untold_update(is_active=False))
    async with standing() as hub:
        given = await connect(hub, alice, automatic=True, is_given_topics=True)
        other = await connect(hub, alice, GLOBAL)
        await run_db(lambda: Membership.objects.filter(user=alice).untold_update(is_active=True))

        await run_db(log.new_epoch)
        await notice(hub)

        own = {topic("user", alice.pk): await seq_of(topic("user", alice.pk)), GLOBAL: 0}
        assert given.said == [("reset", "epoch", own), ("gained", smith, hub.follower.position)]
        assert other.said == [("reset", "epoch", {GLOBAL: 0})]


async def test_who_was_deactivated_or_signed_out_meanwhile_is_ended(
    alice: User, bob: User, vera: User, smith: Topic
) -> None:
    async with standing() as hub:
        inactive, signed_out, staying = [await connect(hub, user, GLOBAL) for user in (alice, bob, vera)]
        await run_db(lambda: User.objects.filter(pk=alice.pk).untold_update(is_active=False))
        await run_db(lambda: in_transaction(lambda: end_sessions(bob.pk)))

        await run_db(log.new_epoch)
        await notice(hub)

        assert inactive.said == ["ended"]
        assert signed_out.said == ["ended"]
        assert staying.said == [("reset", "epoch", {GLOBAL: 0})]


def meanwhile(hub: Hub, work: Callable[[], Awaitable[None]]) -> None:
    """Have something done before everyone starts over, when history is known to be broken."""
    start_over = hub.follower._on_reset

    async def work_first(reason: Any) -> None:
        await work()
        await start_over(reason)

    hub.follower._on_reset = work_first


@pytest.mark.parametrize(
    ("happened", "is_told"),
    # The name of a restored log does not tell whether a place is one of its own.
    [(log.new_epoch, False), (lambda: restore(5), True)],
    ids=["new epoch", "restored"],
)
async def test_who_comes_while_everyone_starts_over_waits_and_starts_over_too_where_its_place_may_be_an_old_one(
    alice: User, bob: User, smith: Topic, happened: Callable[[], Any], is_told: bool
) -> None:
    async with standing() as hub:
        early = await connect(hub, alice, smith)
        coming: list[asyncio.Task[Recorder]] = []

        async def come() -> None:
            coming.append(asyncio.ensure_future(connect(hub, bob, smith)))
            await until(lambda: coming[0].done() or bool(hub.follower._waiting))
            assert not coming[0].done()

        meanwhile(hub, come)
        await run_db(happened)
        await notice(hub)
        late = await coming[0]
        reset = ("reset", "epoch", (await run_db(lambda: log.heads([smith])))[1])
        await grow(hub, 1, to=[smith])

        assert early.said == [reset, 1]
        assert late.said == ([reset, 1] if is_told else [1])


async def test_who_was_given_a_place_while_everyone_started_over_and_asks_to_join_after_it_only_goes_on(
    alice: User, bob: User, smith: Topic
) -> None:
    async with standing() as hub:
        early = await connect(hub, alice, smith)
        placed: list[Recorder] = []

        async def come() -> None:
            placed.append(await opened(hub, bob, smith))

        meanwhile(hub, come)
        await run_db(restore, 5)
        await notice(hub)
        (late,) = placed
        await replay(hub, late, lambda: present(bob), wanted(smith))
        reset = ("reset", "epoch", (await run_db(lambda: log.heads([smith])))[1])
        await grow(hub, 1, to=[smith])

        assert early.said == [reset, 1]
        assert late.said == [1]
