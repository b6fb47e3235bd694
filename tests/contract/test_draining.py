"""The end of a server: its clients are told to come back, on every transport, and it does not wait for them in vain."""

from __future__ import annotations

import asyncio

import pytest

from realtime.protocol.errors import KINDS
from tests.clients import SocketClient, StreamClient, access_token
from tests.contract.conftest import Start
from tests.contract.world import World, spend, work
from tests.live import LiveServer

pytestmark = pytest.mark.once

LONGER_THAN_ANY_TEST = "300"


@pytest.fixture
def ending(start_server: Start) -> LiveServer:
    """A server that would wait for what does not end by itself."""
    return start_server(realtime={"DRAIN_SPREAD": 0.5}, options=["--drain", LONGER_THAN_ANY_TEST])


async def test_sockets_and_streams_are_told_to_come_back_and_resume_elsewhere(
    ending: LiveServer, server: LiveServer, world: World
) -> None:
    token, topics = access_token(world.alice), [world.account_topic]
    async with (
        SocketClient(ending.url, token, topics=topics, cursor=world.start) as socket,
        StreamClient(ending.url, token, topics=topics, cursor=world.start) as stream,
    ):
        before = [(await client.next("Connected"))["type"] for client in (socket, stream)]
        stopping = asyncio.create_task(work(ending.stop))
        close = await stream.next("Close")
        with pytest.raises(StopAsyncIteration):
            await stream.receive()
        code = await socket.close_code()
        await stopping  # no sooner than the drain's end, did anybody still hold it up
    await work(spend, world)
    again = StreamClient(server.url, token, topics=topics, cursor=stream.cursor)
    async with again:
        missed = await again.next("TransactionUpdate")

    assert before == ["Connected", "Connected"]
    assert code == close["data"]["code"] == KINDS["draining"].close_code
    assert 1 <= close["data"]["retry_after"] <= 10
    assert missed["seq"] > 0
