"""Another program that writes whatever it likes to our Redis: it is not believed, and nobody notices."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec
import pytest
import redis

from config.services.waiting import wait_until
from realtime.log import head
from realtime.protocol.entry import Batch, Entry, encode_batch
from realtime.seal import SEALED
from tests.clients import Client, is_event
from tests.contract.checks import logged
from tests.contract.conftest import Start
from tests.contract.world import World, drained, gateway, spend, work
from tests.live import LiveServer

pytestmark = pytest.mark.once

WITHIN = 10.0
LARGE = 1024 * 1024
MADE_UP = "made up by a stranger"
ID = "0192f000-0000-7000-8000-00000000abcd"


@pytest.fixture(scope="module")
def hearing(start_server: Start) -> LiveServer:
    """A server that hears of what happens by Redis, or, in this test's time, not at all."""
    return start_server(realtime={"TICK": 60.0})


@pytest.fixture
def stranger() -> Iterator[redis.Redis]:
    """A program that may write to our Redis."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        yield client


@contextmanager
def overhearing(stranger: redis.Redis) -> Iterator[list[tuple[bytes, bytes]]]:
    """What is said meanwhile, as (channel, message)."""
    heard: list[tuple[bytes, bytes]] = []
    with stranger.pubsub() as ear:
        ear.psubscribe("*")
        wait_until(lambda: _take(ear, heard), WITHIN, lambda: "Redis does not answer")
        yield heard
        wait_until(lambda: _take(ear, heard) and bool(heard), WITHIN, lambda: "nothing was said over Redis")


def _take(ear: redis.client.PubSub, heard: list[tuple[bytes, bytes]]) -> bool:
    """Take what there is; True if there was anything."""
    is_any = False
    while (message := ear.get_message(timeout=0.1)) is not None:
        is_any = True
        if message["type"] == "pmessage":
            heard.append((message["channel"], message["data"]))
    return is_any


def rubbish(heard: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """What is near to what is really said, and then bytes of every other kind."""
    here = head()
    data = json.dumps({"notification_id": ID, "level": "info", "title": MADE_UP, "message": ""})
    entry = Entry(here.position + 1, "global", 1, ID, "Notification", data, "2026-01-01T00:00:00.000Z")
    batch = encode_batch(Batch(here.epoch, here.position + 1, here.position + 1, [entry]))
    for name in ("realtime.batch", "realtime.presence", "realtime.counts", "realtime.desk", "chat.message"):
        yield msgspec.msgpack.encode({"type": name, "batch": batch})
        yield msgspec.msgpack.encode({"type": name, SEALED: os.urandom(500)})
    for _, said in heard:
        yield said[:-1] + bytes([said[-1] ^ 1])
        yield said[:-1]
        yield said[: len(said) // 2]
        yield said + said
    near = [None, 7, "x", [], {}, {"type": "realtime.batch"}, {"type": 7}, {"type": ""}]
    yield from map(msgspec.msgpack.encode, near)
    yield from (b"", b"\x00", b"\xc1", b"null", b"{}", b"\x80", b"\xff" * 100, os.urandom(1000), b"\x00" * LARGE)


@pytest.mark.skipif(not os.environ.get("REDIS_URL"), reason="THERE IS NO REDIS for a stranger to write to")
async def test_what_a_stranger_writes_to_redis_is_believed_by_nobody_and_costs_nobody_an_event(
    hearing: LiveServer, world: World, stranger: redis.Redis
) -> None:
    topics = [world.account_topic, world.family_topic, "global"]
    async with gateway(hearing, world, *topics, cursor=world.start) as client:
        await client.next("Connected")
        with overhearing(stranger) as heard:
            await work(spend, world)
        await everything(client, topics, world)
        channels = {channel for channel, _ in heard} | set(stranger.pubsub_channels())
        for message in await work(lambda: list(rubbish(heard))):
            for channel in channels:
                stranger.publish(channel, message)
        for channel, said in [*heard, *heard[::-1]]:  # nobody's word is worth more for being said again
            stranger.publish(channel, said)
        stranger.flushall()
        await work(spend, world)
        due = await everything(client, topics, world)
        assert (await client.ask("Ping"))["type"] == "Pong"

    assert [(event["topic"], event["seq"], event["id"]) for event in client.received] == [
        (entry.topic, entry.seq, entry.id) for entry in due
    ]
    assert MADE_UP not in str(client.frames)
    assert "Traceback" not in hearing.log()


async def everything(client: Client, topics: list[str], world: World) -> list[Entry]:
    """Wait until the client has as many events as there are in the log, which are returned."""
    await drained()
    due = await work(logged, topics, world.start)
    async with asyncio.timeout(WITHIN):
        while len(client.received) < len(due):
            await client.wait_for(is_event)
    return due
