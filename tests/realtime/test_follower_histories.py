"""A follower of a log that was restored, renamed or pruned past it says so, and starts over from what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

import msgspec
import pytest
from django.db import DatabaseError, transaction
from pytest_django import Settings

from realtime import log
from realtime.models import LogHead
from realtime.outbox import publish
from realtime.protocol.entry import Batch, Entry, decode_batch
from realtime.protocol.subscriber import Reason
from realtime.threads import run_db
from tests.realtime.following import GLOBAL, PATIENCE, Following, batch, following, grow
from tests.realtime.recorder import prune_all, rename_head, restore

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]


@pytest.mark.parametrize(
    ("happened", "reason", "position"),
    [
        (log.new_epoch, "epoch", 3),
        (lambda: restore(1), "epoch", 1),
    ],
    ids=["new epoch", "restored"],
)
async def test_another_history_is_noticed_by_the_tick(
    settings: Settings, happened: Callable[[], Any], reason: Reason, position: int
) -> None:
    settings.REALTIME = {**settings.REALTIME, "TICK": 0.05}
    await run_db(grow, 3)
    async with following() as it:
        await run_db(happened)

        await it.until(lambda: bool(it.resets) and it.follower.started)

        assert it.resets == [reason]
        head = await run_db(log.head)
        assert (it.follower.epoch, it.follower.position, it.follower.check) == (head.epoch, position, head.check)
        assert it.follower.since(0) is None


@pytest.mark.parametrize(
    ("fresh", "told"),
    [((4,), 0), ((2, 1), 1), ((1, 3), 0)],
    ids=["over where it stands", "right behind where it stands", "at what it has already"],
)
async def test_a_restored_log_that_grows_past_it_is_noticed_by_the_first_batch_of_it(
    no_tick: None, fresh: tuple[int, ...], told: int
) -> None:
    await run_db(grow, 3)
    async with following() as it:
        await run_db(restore, 1)
        others = [await run_db(sequenced, count) for count in fresh]

        it.follower.take(others[told])
        await it.until(lambda: bool(it.resets) and it.follower.started)

        assert it.resets == ["epoch"]
        assert it.entries == []
        assert it.follower.place == (await run_db(log.head)).cursor


async def test_what_is_read_of_a_restored_log_is_not_taken_for_what_follows_a_batch_that_came_meanwhile(
    no_tick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on, follow = Event(), Event(), log.follow

    def later(*place: Any) -> log.Page:
        asked.set()
        go_on.wait(PATIENCE)
        return follow(*place)

    await run_db(grow, 3)
    async with following() as it:
        monkeypatch.setattr(log, "follow", later)
        it.follower._doubt.set()
        await it.until(asked.is_set)
        lost = await run_db(sequenced, 2)
        it.follower.take(lost)
        await run_db(restore, 3)
        await run_db(grow, 4)
        go_on.set()
        await it.until(lambda: it.follower.position == 7)

        assert it.resets == ["epoch"]
        assert it.entries == lost.entries


def sequenced(count: int) -> Batch:
    """The log grown by one batch, as the relay hands it over."""
    with transaction.atomic():
        for number in range(count):
            publish("Note", {"n": number}, to=[GLOBAL])
    made = log.sequence()
    assert made is not None
    return made


async def test_a_batch_that_does_not_say_what_it_follows_is_taken(no_tick: None) -> None:
    """As it comes from a process of the version before, in a rolling restart."""
    await run_db(grow, 1)
    async with following() as it:
        made = await run_db(sequenced, 2)
        old = msgspec.msgpack.encode([made.epoch, made.first, made.last, made.entries])

        it.follower.take(decode_batch(old))

        assert it.follower.position == 3
        assert made.before is not None


async def test_a_log_that_was_pruned_past_it_is_a_reset(no_tick: None) -> None:
    async with following() as it:
        await run_db(grow, 3)
        await run_db(prune_all)

        it.follower.take(Batch(it.follower.epoch, 3, 3))
        await it.until(lambda: bool(it.resets) and it.follower.started)

        assert it.resets == ["trimmed"]
        assert it.follower.position == 3
        assert it.entries == []


async def test_who_waits_is_told_when_history_changes(no_tick: None) -> None:
    await run_db(grow, 1)
    async with following() as it:
        old = it.follower.history
        waiting = [asyncio.ensure_future(it.follower.reach(9)), asyncio.ensure_future(it.follower.outlive(old))]
        await it.until(lambda: len(it.follower._waiting) == 2)
        await run_db(log.new_epoch)
        it.follower.take(Batch("another", 9, 9))

        assert await asyncio.gather(*waiting) == [True, True]
        assert it.follower.epoch == (await run_db(log.head)).epoch != old[0]


async def test_starting_over_is_tried_until_it_is_done_and_nothing_is_taken_meanwhile(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "TICK": 0.05}
    attempts: list[list[Entry]] = []

    async def fail_twice(it: Following) -> None:
        assert not it.follower.started
        it.follower.take(batch(old, it.follower.epoch))
        attempts.append(list(it.entries))
        if len(attempts) < 3:
            raise DatabaseError("still restoring")

    old = await run_db(grow, 3)
    await run_db(restore, 2)
    async with following(start_over=fail_twice) as it:
        epoch = await run_db(log.new_epoch)

        await it.until(lambda: it.follower.epoch == epoch and it.follower.started)

        assert it.resets == ["epoch"] * 3
        assert attempts == [[]] * 3


async def test_a_database_that_does_not_answer_at_first_is_asked_again(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "TICK": 0.05}
    await run_db(grow, 2)
    await run_db(rename_head, LogHead._meta.db_table, "elsewhere")
    it = Following()
    it.follower.start()
    arriving = asyncio.ensure_future(it.follower.reach(0))
    await asyncio.wait([arriving], timeout=0.2)
    assert not it.follower.started
    assert not arriving.done()

    await run_db(rename_head, "elsewhere", LogHead._meta.db_table)

    assert await arriving
    assert it.follower.position == 2
    await it.follower.stop()
