"""When the log is another, everybody in this process is told where it stands, and has the rights that it gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Membership, User
from realtime import log
from realtime.hub import Hub
from realtime.outbox import end_sessions
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import Recorder, connect, grow, in_transaction, restore, standing, until

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
