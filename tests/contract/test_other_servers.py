"""A little of the contract on every other server, each time; other_servers.py says how to have all of it on one."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import timedelta

import pytest
import websockets
from django.db import connection

from tests.clients import MSGPACK, Client, SocketClient, access_token
from tests.contract.checks import check_complete, logged, no_reset
from tests.contract.conftest import contract_server
from tests.contract.other_servers import OTHER_SERVERS
from tests.contract.world import World, drained, gateway, spend, work
from tests.live import LiveServer


@pytest.fixture(scope="module", params=OTHER_SERVERS)
def server(request: pytest.FixtureRequest, db: None) -> Iterator[LiveServer]:
    """Each of the servers in turn."""
    name: str = request.param
    if connection.vendor != "sqlite":
        pytest.skip("what a server does depends on no database: once is enough")
    package = name.partition("-")[0] if "wsproto" not in name else "wsproto"
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: nothing is known of {name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_SERVER", name)
        running = contract_server()
    with running:
        yield running


async def test_every_event_arrives_once_and_in_order_and_a_resume_brings_the_rest(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    topics, token = [world.account_topic, world.family_topic], access_token(world.alice)
    await work(spend, world, 2)
    await drained()
    async with transport(server.url, token, topics=topics, cursor=world.start) as client:
        await client.events(5)
        await work(spend, world, 2)
        await drained()
        entries = await work(logged, topics, world.start)
        await client.events(len(entries) - 5)
    async with transport(server.url, token, topics=topics, cursor=client.cursor) as again:
        await work(spend, world)
        await drained()
        more = await work(logged, topics, str(client.cursor))
        await again.events(len(more))

    check_complete(client.received, entries)
    check_complete(again.received, more)
    no_reset(client)
    no_reset(again)


async def test_a_refusal_is_told_by_status_where_the_server_can_and_else_by_close_code(
    server: LiveServer, world: World
) -> None:
    expired = access_token(world.alice, timedelta(seconds=-1))

    async def told(client: SocketClient) -> int:
        try:
            async with client:
                return await client.close_code()
        except websockets.InvalidStatus as refusal:
            return refusal.response.status_code

    assert await told(SocketClient(server.url, expired)) in (401, 4401)
    assert await told(SocketClient(server.url, expired, extra="&refuse=close")) == 4401


async def test_commands_are_answered_in_text_and_in_messagepack(server: LiveServer, world: World) -> None:
    binary = gateway(server, world, subprotocol=MSGPACK)
    async with gateway(server, world) as client, binary:
        for each in (client, binary):
            subscribed = await each.ask("Subscribe", {"topic": world.family_topic}, id="s")
            assert (subscribed["type"], subscribed["data"]["topic"]) == ("Subscribed", world.family_topic)
            await each.send("Ping")
            assert (await each.next("Pong"))["type"] == "Pong"


async def test_a_burst_arrives_whole(server: LiveServer, world: World) -> None:
    topics = [world.account_topic, world.family_topic]
    async with gateway(server, world, *topics, cursor=world.start) as client:
        await work(spend, world, 100)
        await drained()
        entries = await work(logged, topics, world.start)
        await client.events(len(entries))

    check_complete(client.received, entries)
