"""The server ends: clients are sent away with 1012, not all in one moment, and nobody is waited for without end."""

import asyncio
from typing import Any

from tests.realtime.server.harness import close, request, serving, until


async def accepting(scope: Any, receive: Any, send: Any) -> None:
    """An application that waits for its client's end."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def test_clients_are_sent_away_with_1012_over_a_while(realtime: Any) -> None:
    realtime(DRAIN_SPREAD=0.6)
    still_open: list[int] = []
    async with serving(accepting, timeout_graceful_shutdown=20) as server:
        clients = [await server.open() for _ in range(20)]
        stopping = asyncio.create_task(server.stop())

        async def leave(client: Any) -> None:
            assert await client.closed() == (1012, "draining")
            still_open.append(sum(not connection.closed for connection in server.connections))
            client.send(close(1012))
            assert await client.rest() == b""

        await asyncio.gather(*(leave(client) for client in clients))
        await stopping

    assert max(still_open) > 0, "all were sent away in one moment"


async def test_who_is_not_accepted_yet_is_told_to_come_back() -> None:
    asked = asyncio.Event()
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        asked.set()
        heard.append(await receive())

    async with serving(app) as server:
        client = await server.client()
        client.send(request())
        await asked.wait()
        await server.stop()
        head = await client.head()

    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: " in head
    assert [message["type"] for message in heard] == ["websocket.disconnect"]


async def test_an_application_that_hangs_is_cut_off_after_the_drain(realtime: Any) -> None:
    realtime(DRAIN_SPREAD=0, CLOSE_TIMEOUT=0.2)
    cancelled: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async with serving(app, timeout_graceful_shutdown=1) as server:
        client = await server.open()
        await server.stop()
        assert await client.closed() == (1012, "draining")
        await until(lambda: cancelled, "the cancellation")
