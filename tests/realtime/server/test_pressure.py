"""Neither side can make the server keep without bound what the other does not take."""

import asyncio
from typing import Any

import pytest

from tests.realtime.server.harness import Client, close, frame, frames_in, serving, until

SMALL = 4096  # bytes of the kernel's buffer of a client that is to be full soon


async def stalled(client: Client) -> None:
    """Wait until the server takes nothing more from this client: the same bytes lie unsent for a while."""
    before, still = -1, 0
    while still < 40:
        await asyncio.sleep(0.005)
        size = client.transport.get_write_buffer_size()
        before, still = size, still + 1 if size == before and size > 0 else 0


async def test_a_client_is_read_no_further_than_the_application_takes() -> None:
    go_on = asyncio.Event()
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go_on.wait()
        while (message := await receive())["type"] == "websocket.receive":
            heard.append(message["text"])

    async with serving(app, ws_max_queue=4) as server:
        client = await server.open()
        said = [f"{number} {'x' * 10_000}" for number in range(2000)]
        client.send(b"".join(frame(text) for text in said))
        await stalled(client)

        (connection,) = server.connections
        assert len(connection._inbox._messages) == 4
        assert len(connection._reader._data) <= 1024 * 1024

        go_on.set()
        await until(lambda: len(heard) == len(said), "all of it is heard in the end")
    assert heard == said


async def test_the_application_waits_for_a_client_that_does_not_read() -> None:
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(1000):
            await send({"type": "websocket.send", "bytes": b"x" * 100_000})
            sent += 1
            await asyncio.sleep(0)

    async with serving(app) as server:
        client = await server.open(buffer=SMALL)
        client.transport.pause_reading()
        (connection,) = server.connections
        await until(lambda: connection._writable is not None, "the application waits")
        waiting = sent

        assert waiting < 200
        assert connection.unsent <= 64 * 1024 + 100_010

        client.transport.resume_reading()
        for _ in range(1000):
            assert await client.frame() == (2, b"x" * 100_000)
        assert await client.closed() == (1000, "")
        assert sent == 1000


async def test_pings_of_a_client_that_does_not_read_are_answered_no_further() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    async with serving(app) as server:
        client = await server.open(buffer=SMALL)
        client.transport.pause_reading()
        pings = 100_000
        client.send(frame(b"x" * 125, opcode=9) * pings)
        await stalled(client)
        (connection,) = server.connections

        assert 0 < connection.unsent <= 64 * 1024 + 127

        client.transport.resume_reading()
        client.send(close(1000))
        rest = frames_in(await client.rest())
        assert [item.opcode for item in rest[-2:]] == [10, 8]
        assert len(rest) == pings + 1


async def test_a_close_does_not_wait_for_a_client_that_does_not_read(realtime: Any) -> None:
    realtime(CLOSE_TIMEOUT=0.2)
    closed: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": b"x" * 20_000_000})
        waiting = asyncio.ensure_future(send({"type": "websocket.send", "text": "behind"}))
        await asyncio.sleep(0)
        await send({"type": "websocket.close", "code": 4000})
        with pytest.raises(RuntimeError):
            await waiting
        closed.append(True)

    async with serving(app) as server:
        client = await server.open(buffer=SMALL)
        client.transport.pause_reading()

        await until(lambda: closed and not server.connections, "the connection's end")
