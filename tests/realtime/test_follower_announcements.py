"""What a follower hears from Redis, from whom, and what it does not believe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.layers import get_channel_layer
from pytest_django import Settings

from config.services.redis import RedisServer
from realtime.announcer import Announcer
from realtime.protocol.entry import Batch, Entry, encode_batch
from realtime.threads import run_db
from tests.realtime.following import GLOBAL, NEVER, PATIENCE, Following, batches, counted, following
from tests.strangers import RUBBISH, packed, say

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]


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
