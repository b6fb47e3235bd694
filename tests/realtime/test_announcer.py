"""Announcing over a real Redis: at once when it is well, never in the way when it is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from channels.layers import channel_layers
from pytest_django import Settings

from config.services.redis import RedisServer
from config.services.waiting import wait_until
from realtime.announcer import MESSAGE_TYPE, Announcer
from realtime.conf import conf
from realtime.protocol.entry import Batch, Entry, decode_batch
from realtime.seal import unseal

PATIENCE = 30.0


def batch(first: int, count: int = 1, *, data: str = "{}") -> Batch:
    positions = range(first, first + count)
    entries = [Entry(n, "global", n, str(UUID(int=n)), "Note", data, "2026-01-02T03:04:05.678Z") for n in positions]
    return Batch("e", first, first + count - 1, entries)


@pytest.fixture
def announcer() -> Iterator[Announcer]:
    own = Announcer()
    yield own
    own.stop(PATIENCE)


@asynccontextmanager
async def listening() -> AsyncIterator[Any]:
    """What another process hears: a coroutine function that returns the next message."""
    layer: Any = channel_layers.make_backend("default")
    channel = await layer.new_channel()
    await layer.group_add(conf.GROUP, channel)

    async def hear() -> Any:
        async with asyncio.timeout(PATIENCE):
            return unseal(await layer.receive(channel))

    yield hear
    await layer.flush()


async def test_a_batch_reaches_other_processes_as_it_is(announcer: Announcer, redis_server: RedisServer) -> None:
    async with listening() as hear:
        announcer.announce(batch(1, 3))

        message = await hear()

    assert message["type"] == MESSAGE_TYPE
    assert decode_batch(message["batch"]) == batch(1, 3)


async def test_batches_are_announced_in_their_order(announcer: Announcer, redis_server: RedisServer) -> None:
    async with listening() as hear:
        for first in range(1, 21):
            announcer.announce(batch(first))

        heard = [decode_batch((await hear())["batch"]).first for _ in range(20)]

    assert heard == list(range(1, 21))


async def test_a_large_batch_names_its_places_only(
    announcer: Announcer, redis_server: RedisServer, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "ANNOUNCE_BYTES": 1000}
    async with listening() as hear:
        announcer.announce(batch(1, 2, data="x" * 1000))
        announcer.announce(batch(3, 2))

        first, second = [decode_batch((await hear())["batch"]) for _ in range(2)]

    assert first == Batch("e", 1, 2)
    assert second == batch(3, 2)


@pytest.mark.faults
async def test_a_frozen_redis_keeps_nobody_waiting_and_drops_the_oldest(
    announcer: Announcer, redis_server: RedisServer, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "ANNOUNCE_QUEUE": 5}
    async with listening() as hear:
        redis_server.freeze()
        elapsed = announce_many(announcer)
        redis_server.thaw()

        heard = await hear_until(100, hear)

    assert elapsed < 0.5
    assert heard == sorted(heard)
    assert len(heard) <= 6  # what waited, and the one that was being sent


@pytest.mark.faults
async def test_a_dead_redis_keeps_nobody_waiting_and_is_told_again_when_it_is_back(
    announcer: Announcer, redis_server: RedisServer, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "ANNOUNCE_QUEUE": 5}
    redis_server.kill()
    elapsed = announce_many(announcer)
    redis_server.start()
    async with listening() as hear:
        announcer.announce(batch(101))

        heard = await hear_until(101, hear)

    assert elapsed < 0.5
    assert heard == sorted(heard)
    assert len(heard) <= 7


def announce_many(announcer: Announcer) -> float:
    """Announce a hundred batches; return the seconds it took."""
    started = time.monotonic()
    for first in range(1, 101):
        announcer.announce(batch(first))
    return time.monotonic() - started


async def hear_until(last: int, hear: Callable[[], Awaitable[Any]]) -> list[int]:
    heard = [0]
    while heard[-1] < last:
        heard.append(decode_batch((await hear())["batch"]).first)
    return heard[1:]


@pytest.mark.faults
def test_stopping_waits_for_a_frozen_redis_no_longer_than_it_was_given(
    announcer: Announcer, redis_server: RedisServer
) -> None:
    redis_server.freeze()
    announcer.announce(batch(1))

    started = time.monotonic()
    announcer.stop(0.1)
    elapsed = time.monotonic() - started
    redis_server.thaw()

    assert elapsed < 0.5


def test_stopping_sends_what_waits(announcer: Announcer, redis_server: RedisServer) -> None:
    client = redis_server.client()
    heard = client.pubsub()
    heard.psubscribe("*")
    wait_until(lambda: bool(heard.get_message()), PATIENCE, lambda: "no subscription")

    for first in range(1, 4):
        announcer.announce(batch(first))
    announcer.stop(PATIENCE)

    messages = [heard.get_message() for _ in range(4)]
    heard.close()
    client.close()
    assert [bool(message) for message in messages] == [True, True, True, False]


@pytest.mark.parametrize("layers", [{}, {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}])
def test_where_nobody_else_could_hear_nothing_is_kept(
    announcer: Announcer, settings: Settings, layers: dict[str, Any]
) -> None:
    settings.CHANNEL_LAYERS = layers

    for first in range(1, 201):
        announcer.announce(batch(first))

    wait_until(lambda: not announcer._waiting, PATIENCE, lambda: f"{len(announcer._waiting)} batches still wait")
