"""What comes of batches that are lost, repeated, out of order, of another history or no batches: the log, in order."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
import pytest
from channels.layers import get_channel_layer
from django.db import DatabaseError, connection, transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from pytest_django import Settings

from config.services.redis import RedisServer
from realtime import log
from realtime.announcer import Announcer
from realtime.conf import conf
from realtime.follower import Follower
from realtime.models import Event, LogHead
from realtime.outbox import publish
from realtime.protocol.entry import Batch, Entry, decode_batch, encode_batch
from realtime.protocol.subscriber import Reason
from realtime.relay import relay
from realtime.threads import run_db
from realtime.topics import topic
from tests.strangers import RUBBISH, packed, say

pytestmark = pytest.mark.django_db(transaction=True)

GLOBAL = topic("global")
PATIENCE = 30.0
NEVER = 3600.0


@pytest.fixture(autouse=True)
def sleeping_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests sequence by themselves, and hand over what they like."""
    monkeypatch.setattr(relay, "wake", lambda: None)


@pytest.fixture
def no_tick(settings: Settings) -> None:
    """Only what the follower is told, and its own doubts, make it ask the log."""
    settings.REALTIME = {**settings.REALTIME, "TICK": NEVER}


class Following:
    """A follower, and all that it said."""

    def __init__(self, start_over: Callable[[Following], Awaitable[None]] | None = None) -> None:
        self.entries: list[Entry] = []
        self.resets: list[Reason] = []
        self.messages: list[Any] = []
        self.follower = Follower(self.entries.extend, self._start_over, self.messages.append)
        self._before_starting_over = start_over

    async def _start_over(self, reason: Reason) -> None:
        self.resets.append(reason)
        if self._before_starting_over is not None:
            await self._before_starting_over(self)
        self.follower.restart(await run_db(log.head))

    @property
    def numbers(self) -> list[int]:
        return [json.loads(entry.data)["n"] for entry in self.entries]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def following(**options: Any) -> AsyncIterator[Following]:
    """A follower that stands at the head of the log."""
    it = Following(**options)
    it.follower.start()
    try:
        assert await it.follower.reach(0)
        await it.until(lambda: bool(it.follower._doubt._waiters))  # it has asked the log, and waits
        yield it
    finally:
        await it.follower.stop()


def grow(count: int = 1, *, data: str = "") -> list[Entry]:
    """Sequence ``count`` more events, numbered by their positions; tell nobody."""
    start = log.head().position
    with transaction.atomic():
        for number in range(start + 1, start + count + 1):
            publish("Note", {"n": number, "data": data}, to=[GLOBAL])
    while log.sequence():
        pass
    return log.read(start, limit=count).entries


def batch(entries: list[Entry], epoch: str | None = None) -> Batch:
    return Batch(epoch or log.head().epoch, entries[0].position, entries[-1].position, entries)


async def batches(*counts: int) -> list[Batch]:
    """The log grown by so many entries each time."""
    return [await run_db(lambda count=count: batch(grow(count))) for count in counts]


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("realtime_batches_total", {"outcome": outcome}) or 0.0


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
        assert not await it.follower.outlive(it.follower.epoch)

        assert not it.follower._waiting


async def test_who_waits_and_leaves_is_forgotten(no_tick: None) -> None:
    async with following() as it:
        waiting = asyncio.ensure_future(it.follower.reach(1))
        await it.until(lambda: len(it.follower._waiting) == 1)

        waiting.cancel()
        await asyncio.wait([waiting])

        assert not it.follower._waiting


# Another history


def restored(position: int) -> None:
    """Go back to what was there when the log had ``position`` entries."""
    Event.objects.filter(position__gt=position).delete()
    LogHead.objects.update(position=position, check_bits=log.check_at(position))


@pytest.mark.parametrize(
    ("happened", "reason", "position"),
    [
        (log.new_epoch, "epoch", 3),
        (lambda: restored(1), "epoch", 1),
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
        await run_db(restored, 1)
        others = [await run_db(sequenced, count) for count in fresh]

        it.follower.take(others[told])
        await it.until(lambda: bool(it.resets) and it.follower.started)

        assert it.resets == ["epoch"]
        assert it.entries == []
        assert it.follower.place == (await run_db(log.head)).cursor


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
        await run_db(age_and_prune)

        it.follower.take(Batch(it.follower.epoch, 3, 3))
        await it.until(lambda: bool(it.resets) and it.follower.started)

        assert it.resets == ["trimmed"]
        assert it.follower.position == 3
        assert it.entries == []


def age_and_prune() -> None:
    Event.objects.update(timestamp=timezone.now() - timedelta(days=30))
    log.prune(timezone.now() - timedelta(days=1))


async def test_who_waits_is_told_when_history_changes(no_tick: None) -> None:
    await run_db(grow, 1)
    async with following() as it:
        epoch = it.follower.epoch
        waiting = [asyncio.ensure_future(it.follower.reach(9)), asyncio.ensure_future(it.follower.outlive(epoch))]
        await it.until(lambda: len(it.follower._waiting) == 2)
        await run_db(log.new_epoch)
        it.follower.take(Batch("another", 9, 9))

        assert await asyncio.gather(*waiting) == [True, True]
        assert it.follower.epoch == (await run_db(log.head)).epoch != epoch


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
    await run_db(restored, 2)
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


def rename_head(old: str, new: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")


# Announcements


async def test_announcements_are_heard_from_redis(no_tick: None, redis_server: RedisServer) -> None:
    announcer = Announcer()
    async with following() as it, subscribed(it):
        (first,) = await batches(2)

        announcer.announce(first)
        await it.until(lambda: it.follower.position == 2)

    announcer.stop(PATIENCE)
    assert it.numbers == [1, 2]


async def test_garbage_from_redis_is_dropped_and_counted(no_tick: None, redis_server: RedisServer) -> None:
    announcer = Announcer()
    before = counted("unreadable")
    async with following() as it, subscribed(it):
        (first,) = await batches(1)
        bad = [
            {"type": "realtime.batch"},
            {"type": "realtime.batch", "batch": b"\x00"},
            {"type": "realtime.batch", "batch": 1},
        ]

        for message in bad:
            announcer.tell(message)
        announcer.tell({"type": "realtime.batch", "batch": encode_batch(first)})
        await it.until(lambda: it.follower.position == 1)

    announcer.stop(PATIENCE)
    assert counted("unreadable") == before + len(bad)
    assert it.numbers == [1]


async def test_nobody_without_a_key_is_believed_and_who_has_one_is_heard_at_once(
    no_tick: None, redis_server: RedisServer, settings: Settings
) -> None:
    """A stranger who knows the place of the log and its epoch: nothing but the key is missing."""
    settings.REALTIME = {**settings.REALTIME, "ANNOUNCE_PAUSE": NEVER}  # who gave up the layer would not come back
    announcer = Announcer()
    before = counted("forged")
    async with following() as it, subscribed(it):
        (first,) = await batches(1)
        lie = Entry(1, GLOBAL, 1, first.entries[0].id, "Note", '{"n": 666}', first.entries[0].timestamp)
        plain = {"type": "realtime.batch", "batch": encode_batch(Batch(first.epoch, 1, 1, [lie]))}
        forged = {**plain, "sealed": bytes(100)}
        lies = packed(plain, forged, {"type": "realtime.presence", "word": {}}, {}, [], 7, None)

        await run_db(say, redis_server, *lies, *RUBBISH)
        announcer.announce(first)
        await it.until(lambda: it.follower.position == 1)

    announcer.stop(PATIENCE)
    assert counted("forged") == before + len(lies) + len(RUBBISH)
    assert it.numbers == [1]
    assert not it.resets


@pytest.mark.faults
async def test_a_redis_that_is_dead_at_first_is_heard_when_it_lives_and_nothing_piles_up(
    settings: Settings, redis_server: RedisServer
) -> None:
    settings.REALTIME = {**settings.REALTIME, "TICK": NEVER, "ANNOUNCE_PAUSE": 0.02}
    redis_server.kill()
    announcer = Announcer()
    async with following() as it:
        layer: Any = get_channel_layer()
        failures: list[int] = []
        await it.until(lambda: bool(failures.append(len(layer.channels))) or len(failures) > 20)
        redis_server.start()
        async with subscribed(it):
            (first,) = await batches(1)
            announcer.announce(first)
            await it.until(lambda: it.follower.position == 1)
            assert len(layer.channels) == 1

    announcer.stop(PATIENCE)
    assert it.numbers == [1]
    assert max(failures) <= 1


@asynccontextmanager
async def subscribed(it: Following) -> AsyncIterator[None]:
    """Return once Redis knows of the follower; clean up the layer behind it."""
    layer: Any = get_channel_layer()
    await it.until(lambda: any("group" in name for shard in layer._shards for name in shard._subscribed_to))
    yield
    await it.follower.stop()
    await layer.flush()


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


async def test_a_nudge_may_come_from_any_thread_at_any_time(no_tick: None) -> None:
    async with following() as it:
        runs = await batches(*[1] * 40)
        threads = [threading.Thread(target=lambda: [it.follower.nudge(each) for each in runs]) for _ in range(4)]

        for thread in threads:
            thread.start()
        await it.until(lambda: it.follower.position == 40)
        for thread in threads:
            thread.join()

        assert it.numbers == list(range(1, 41))
        assert all(later.position == earlier.position + 1 for earlier, later in pairwise(it.entries))
        assert conf.TICK == NEVER
        gc.collect()
