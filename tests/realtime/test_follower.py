"""What comes of batches that are lost, repeated, out of order, of another history or no batches: the log, in order."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from uuid import UUID

import pytest
from channels.layers import get_channel_layer
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from config.services.redis import RedisServer
from realtime import log
from realtime.follower import Follower
from realtime.outbox import publish
from realtime.protocol.entry import Batch, Entry
from realtime.relay import relay
from realtime.threads import run_db
from tests.realtime.following import GLOBAL, NEVER, PATIENCE, Following, batch, batches, counted, following, grow

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]

# Batches


async def test_it_begins_at_the_head_and_takes_what_follows(no_tick: None) -> None:
    await run_db(grow, 3)
    async with following() as it:
        (next_one,) = await batches(2)

        it.follower.take(next_one)

        assert it.numbers == [4, 5]
        assert (it.follower.position, it.follower.check) == (5, next_one.entries[-1].check)


async def test_a_repeated_batch_is_taken_once(no_tick: None) -> None:
    async with following() as it:
        first, second = await batches(2, 1)

        for each in (first, first, second, first, second):
            it.follower.take(each)

        assert it.numbers == [1, 2, 3]


async def test_a_batch_that_begins_earlier_is_trimmed(no_tick: None) -> None:
    async with following() as it:
        first, second = await batches(2, 2)

        it.follower.take(first)
        it.follower.take(batch([*first.entries, *second.entries], first.epoch))

        assert it.numbers == [1, 2, 3, 4]


async def test_a_gap_is_filled_from_the_log_before_anything_later_is_taken(no_tick: None) -> None:
    async with following() as it:
        first, _, third = await batches(1, 2, 1)
        it.follower.take(first)

        it.follower.take(third)
        assert it.numbers == [1]
        await it.until(lambda: it.follower.position == 4)

        assert it.numbers == [1, 2, 3, 4]
        it.follower.take(third)
        assert it.numbers == [1, 2, 3, 4]


async def test_a_batch_that_names_places_only_is_read_from_the_log(no_tick: None) -> None:
    async with following() as it:
        (first,) = await batches(3)

        it.follower.take(Batch(first.epoch, 1, 3))
        await it.until(lambda: it.follower.position == 3)

        assert it.numbers == [1, 2, 3]


async def test_a_batch_of_another_history_is_dropped_counted_and_makes_it_ask_the_log(no_tick: None) -> None:
    async with following() as it:
        first, second = await batches(1, 1)
        before = counted("other_epoch")

        it.follower.take(batch(first.entries, "another"))
        await it.until(lambda: it.follower.position == 2)

        assert counted("other_epoch") == before + 1
        assert it.numbers == [1, 2]
        assert it.resets == []
        it.follower.take(second)
        assert it.numbers == [1, 2]


async def test_what_nobody_announced_is_found_by_the_tick(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "TICK": 0.05}
    async with following() as it:
        await run_db(grow, 3)

        await it.until(lambda: it.follower.position == 3)

        assert it.numbers == [1, 2, 3]


async def test_what_was_sequenced_in_this_process_is_nudged_from_another_thread(
    no_tick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # here the relay is awake
    async with following() as it:
        with override_settings(CHANNEL_LAYERS={}):
            await run_db(tell, 1)
            await it.until(lambda: it.follower.position == 1)

        assert it.numbers == [1]


def tell(number: int) -> None:
    with transaction.atomic():
        publish("Note", {"n": number}, to=[GLOBAL])


DELIVERIES = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 4), st.sampled_from(["whole", "places", "another", "ask"])),
    max_size=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(DELIVERIES)
async def test_whatever_arrives_in_whatever_order_the_log_comes_out(no_tick: None, deliveries: Any) -> None:
    entries = await run_db(lambda: log.read(0).entries or grow(12))
    head = await run_db(log.head)
    it = Following()
    it.follower.restart(log.Head(head.epoch, 0, 0, 0))

    for first, more, form in deliveries:
        part = entries[first - 1 : first + more]
        match form:
            case "whole":
                it.follower.take(batch(part, head.epoch))
            case "places":
                it.follower.take(Batch(head.epoch, part[0].position, part[-1].position))
            case "another":
                it.follower.take(batch(part, "another"))
            case "ask":
                await it.follower._catch_up()
        assert it.entries == entries[: it.follower.position]
    await it.follower._catch_up()

    assert it.entries == entries
    assert it.resets == []


# The tail


def made(position: int, size: int) -> Entry:
    data = "x" * size
    return Entry(position, GLOBAL, position, str(UUID(int=position)), "Note", data, "2026-01-02T03:04:05.678Z")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.lists(st.integers(0, 700), min_size=1, max_size=12), max_size=12), st.integers(0, 100))
async def test_the_tail_is_bounded_and_what_it_gives_is_whole(sizes: list[list[int]], start: int) -> None:
    it = Following()
    it.follower.restart(log.Head("e", start, 0, 0))
    entries: list[Entry] = []

    with override_settings(REALTIME={"TAIL_EVENTS": 10, "TAIL_BYTES": 2048}):
        for run in sizes:
            new = [made(start + len(entries) + n, size) for n, size in enumerate(run, 1)]
            entries += new
            it.follower.take(Batch("e", new[0].position, new[-1].position, new))

            tail = it.follower.tail
            assert len(tail) <= 2 * 10
            assert sum(len(entry.data) for entry in entries[len(entries) - len(tail) :]) == tail.size <= 2 * 2048
            for back in range(len(entries) + 1):
                since = it.follower.since(it.follower.position - back)
                assert since == (entries[len(entries) - back :] if back <= len(tail) else None)

    assert it.follower.since(it.follower.position + 1) == []


# Waiting for a place


async def test_who_waits_for_a_place_is_told_when_it_is_reached(no_tick: None) -> None:
    async with following() as it:
        waiting = [asyncio.ensure_future(it.follower.reach(position)) for position in (1, 2)]
        await run_db(grow, 1)
        it.follower.take(Batch(it.follower.epoch, 1, 1))  # a doubt: it asks the log

        assert await waiting[0]
        assert not waiting[1].done()
        await run_db(grow, 1)
        it.follower.take(Batch(it.follower.epoch, 2, 2))

        assert await waiting[1]


async def test_who_waits_for_a_place_makes_the_follower_ask_the_log(no_tick: None) -> None:
    async with following() as it:
        await run_db(grow, 2)

        assert await it.follower.reach(2)

        assert it.numbers == [1, 2]


async def test_who_waits_for_what_is_not_there_is_told_so_in_time_and_forgotten(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "TICK": NEVER}
    async with following() as it:
        settings.REALTIME = {**settings.REALTIME, "START_TIMEOUT": 0.05}  # not before: a slow start is no failure

        assert not await it.follower.reach(1)
        assert not await it.follower.outlive(it.follower.history)

        assert not it.follower._waiting


async def test_who_waits_and_leaves_is_forgotten(no_tick: None) -> None:
    async with following() as it:
        waiting = asyncio.ensure_future(it.follower.reach(1))
        await it.until(lambda: len(it.follower._waiting) == 1)

        waiting.cancel()
        await asyncio.wait([waiting])

        assert not it.follower._waiting


# Lifetimes


async def test_who_stops_is_nudged_no_more_and_leaves_no_task(no_tick: None) -> None:
    before = len(asyncio.all_tasks())
    async with following() as it:
        assert it.follower.nudge in relay._nudges

    layer: Any = get_channel_layer()
    await layer.flush()
    assert it.follower.nudge not in relay._nudges
    assert len(asyncio.all_tasks()) == before


async def test_stopping_ends_whatever_the_follower_is_at(no_tick: None, redis_server: RedisServer) -> None:
    layer: Any = get_channel_layer()
    for turns in range(24):
        it = Following()
        it.follower.start()
        for _ in range(turns):
            await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE):
            await it.follower.stop()

        await layer.flush()
    assert it.follower.nudge not in relay._nudges


def test_a_loop_that_closed_without_a_word_is_nudged_no_more(no_tick: None) -> None:
    async def follow_and_leave() -> Follower:
        it = Following()
        relay.follow(it.follower.nudge)
        return it.follower

    follower = asyncio.run(follow_and_leave())
    assert follower.nudge in relay._nudges

    follower.nudge(Batch("e", 1, 1))

    assert follower.nudge not in relay._nudges


async def test_a_nudge_may_come_from_any_thread_and_is_taken_in_the_loops_own(
    no_tick: None, settings: Settings
) -> None:
    settings.CHANNEL_LAYERS = {}  # to begin to hear announcements makes it ask the log
    asyncio.get_running_loop().set_debug(True)  # it refuses what another thread may not do, and lets nothing slip by
    async with following() as it:
        taken_in: set[int] = set()

        def take(entries: list[Entry]) -> None:
            taken_in.add(threading.get_ident())
            it.entries.extend(entries)

        it.follower._on_entries = take
        runs = await batches(*[1] * 40)
        threads = [threading.Thread(target=lambda: [it.follower.nudge(each) for each in runs]) for _ in range(4)]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert it.numbers == [], "the loop has not had a turn yet"
        assert it.follower.nudge in relay._nudges
        await it.until(lambda: it.follower.position == 40)

        assert it.numbers == list(range(1, 41))
        assert taken_in == {threading.get_ident()}


async def test_what_nudges_bring_while_the_log_is_asked_is_taken_once(
    no_tick: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_LAYERS = {}
    async with following() as it:
        first, second, third = await batches(1, 1, 1)

        def follow(*place: Any) -> log.Page:
            page = ask(*place)
            for each in (first, second):
                it.follower.nudge(each)
            return page

        ask = log.follow
        monkeypatch.setattr(log, "follow", follow)

        it.follower.take(third)  # a gap, so it asks
        await it.until(lambda: it.follower.position == 3)

        assert it.numbers == [1, 2, 3]
