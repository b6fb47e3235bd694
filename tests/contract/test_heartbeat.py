"""What a quiet connection says, and when it ends: heartbeat, silence, keep-alive, expiry. On a server in a hurry."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from realtime.protocol.cursor import Cursor
from tests.clients import Client, SocketClient, StreamClient, access_token
from tests.contract.checks import logged, newest
from tests.contract.conftest import Start
from tests.contract.other_servers import PONGS, needs
from tests.contract.world import World, drained, gateway, spend, work
from tests.live import LiveServer

pytestmark = pytest.mark.once

INTERVAL, SILENCE = 0.4, 3.0


@pytest.fixture(scope="module")
def hasty(start_server: Start) -> LiveServer:
    """A server that pings, and gives up, in fractions of the usual time."""
    return start_server(
        realtime={"HEARTBEAT_INTERVAL": INTERVAL, "HEARTBEAT_TIMEOUT": SILENCE, "SSE_KEEPALIVE": INTERVAL}
    )


async def test_a_ping_comes_with_a_cursor_that_keeps_a_quiet_client_fresh(hasty: LiveServer, world: World) -> None:
    async with gateway(hasty, world, world.user_topic("alice")) as client:
        greeting = await client.next("Connected")
        await work(spend, world)  # on topics that this client does not hear
        await drained()
        (end,) = {entry.position for entry in (await work(logged, [world.account_topic], world.start))[-1:]}
        ping = await client.wait_for(
            lambda frame: frame["type"] == "Ping" and Cursor.parse(frame["cursor"]).position >= end
        )
        await client.send("Pong")
    async with gateway(hasty, world, world.user_topic("alice"), cursor=ping["cursor"]) as client:
        resumed = await client.next("Connected")

    assert ping.keys() == {"type", "cursor"}
    assert greeting["data"]["heartbeat"] == {"interval": INTERVAL, "timeout": SILENCE}
    assert resumed["data"]["cursor"] == ping["cursor"]
    assert not client.received


async def test_who_is_silent_is_closed_with_4408_and_who_says_anything_is_not(hasty: LiveServer, world: World) -> None:
    async with gateway(hasty, world) as silent, gateway(hasty, world) as alive:
        closing = asyncio.create_task(silent.close_code())
        while not closing.done():
            await alive.next("Ping")
            await alive.send("Pong")

        assert await closing == 4408
        assert (await alive.ask("Ping"))["type"] == "Pong"
    assert len([frame for frame in silent.frames if frame["type"] == "Ping"]) >= 2


@needs(PONGS)
async def test_a_pong_of_websocket_itself_proves_a_client_alive(hasty: LiveServer, world: World) -> None:
    async with gateway(hasty, world) as silent, gateway(hasty, world) as alive:
        closing = asyncio.create_task(silent.close_code())
        while not closing.done():
            await alive.next("Ping")
            await alive.socket.pong()

        assert await closing == 4408
        assert (await alive.ask("Ping"))["type"] == "Pong"


async def test_a_stream_keeps_open_with_id_lines_that_keep_the_cursor_fresh(hasty: LiveServer, world: World) -> None:
    topics = [world.user_topic("alice")]
    async with StreamClient(hasty.url, access_token(world.alice), topics=topics) as client:
        await client.next("Connected")
        await work(spend, world)
        await drained()
        end = (await work(logged, [world.account_topic], world.start))[-1].position
        reading = asyncio.create_task(client.receive())
        async with asyncio.timeout(20):
            while Cursor.parse(str(client.cursor)).position < end:
                await asyncio.sleep(0.02)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    kept = [chunk for chunk in client.chunks if not chunk.data]
    assert client.chunks[0].retry == 2000
    assert kept[-1].id == client.cursor
    assert [frame["type"] for frame in client.frames] == ["Connected"]


async def test_a_token_that_expires_ends_the_connection_with_4401_and_a_fresh_one_resumes(
    hasty: LiveServer, world: World
) -> None:
    topics = [world.account_topic]
    brief = access_token(world.alice, timedelta(seconds=3))
    async with (
        SocketClient(hasty.url, brief, topics=topics, cursor=world.start) as socket,
        StreamClient(hasty.url, brief, topics=topics, cursor=world.start) as stream,
    ):
        assert await socket.close_code() == 4401
        close = await stream.next("Close")
        with pytest.raises(StopAsyncIteration):
            await stream.receive()
    await work(spend, world)
    clients: list[Client] = [socket, stream]
    for client in clients:
        async with type(client)(hasty.url, access_token(world.alice), topics=topics, cursor=client.cursor) as again:
            assert [event["seq"] for event in await again.events(2)] == [2, 3]

    assert close["data"].keys() == {"code", "message", "retry_after"}
    assert close["data"]["code"] == 4401
    assert (await work(newest, topics)) == {world.account_topic: 3}
