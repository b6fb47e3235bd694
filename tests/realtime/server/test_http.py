"""Event streams on a real uvicorn: what is written past ASGI and what is sent by it is one body, in order."""

import asyncio
from typing import Any

import h11
import pytest

from realtime.protocol.chunked import chunk
from realtime.server.http import HttpProtocol
from realtime.server.wire import Wire
from tests.realtime.server.harness import Client, Serving, frame, request, serving, until

GET = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}


def body(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def streaming(app: Any, **options: Any) -> Any:
    """Serve with the protocol class."""
    return serving(app, http=HttpProtocol, **options)


class Held:
    """An application that begins an answer and leaves the rest to the test."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.sends: list[Any] = []
        self.over = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        wire = scope["extensions"]["realtime.wire"]
        assert wire.closed
        await send(START)
        assert not wire.closed
        self.wires.append(wire)
        self.sends.append(send)
        await self.over.wait()


async def held(server: Serving, app: Held, **options: Any) -> tuple[Client, Wire, Any]:
    client = await server.client(**options)
    client.send(GET)
    assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
    await until(lambda: len(app.wires) == len(server._clients), "the wire")
    return client, app.wires[-1], app.sends[-1]


async def whole(client: Client, so_far: bytes = b"") -> bytes:
    """The rest of a body in chunks."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="GET", target="/", headers=[("host", "example.org")]))
    parser.receive_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    content = b""
    async with asyncio.timeout(20):
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                parser.receive_data(await client.reader.read(65536))
            elif isinstance(event, h11.Data):
                content += bytes(event.data)
    return content


async def test_what_is_written_and_what_is_sent_is_one_body_and_the_connection_serves_the_next_request() -> None:
    app = Held()
    async with streaming(app) as server:
        client, wire, send = await held(server, app)
        for number in range(10):
            wire.write(chunk(b"written %d;" % number))
            await send(body(b"sent %d;" % number))
        await send(body(b"last", more=False))
        assert wire.closed
        wire.write(chunk(b"behind"))

        expected = b"".join(b"written %d;sent %d;" % (number, number) for number in range(10)) + b"last"
        assert await whole(client) == expected
        app.over.set()
        client.send(GET)
        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_order_is_kept_while_the_client_reads_late() -> None:
    app = Held()
    async with streaming(app) as server:
        client, wire, send = await held(server, app, buffer=4096)
        client.transport.pause_reading()
        while not wire.unsent:
            wire.write(chunk(b"x" * 100_000))
        before = wire.unsent
        wire.write(chunk(b"behind"))
        assert wire.unsent == before + len(chunk(b"behind"))
        drained = asyncio.Event()
        wire.drained(drained.set)
        sending = asyncio.create_task(send(body(b"last", more=False)))
        await asyncio.sleep(0)
        client.transport.resume_reading()

        assert (await whole(client)).endswith(b"xbehindlast")
        await sending
        assert drained.is_set()


async def test_a_client_that_left_shuts_the_wire() -> None:
    app = Held()
    async with streaming(app) as server:
        client, wire, _ = await held(server, app)
        client.abort()
        await until(lambda: wire.closed, "the loss")
        wire.write(chunk(b"to nobody"))

        assert wire.unsent == 0 and wire._descriptor == -1
        app.over.set()


async def test_an_application_that_ends_in_the_middle_is_not_kept_by_a_client_that_does_not_read(
    realtime: Any, caplog: pytest.LogCaptureFixture
) -> None:
    realtime(CLOSE_TIMEOUT=0.2)
    app = Held()
    async with streaming(app) as server:
        client, wire, _ = await held(server, app, buffer=4096)
        client.transport.pause_reading()
        while not wire.unsent:
            wire.write(chunk(b"x" * 100_000))
        app.over.set()

        await until(lambda: not server.connections, "the connection's end")


async def test_an_answer_with_a_length_has_no_wire() -> None:
    states: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        wire = scope["extensions"]["realtime.wire"]
        await send({**START, "headers": [(b"content-length", b"5")]})
        states.append(wire.closed)
        wire.write(b"nobody gets this")
        await send(body(b"hello", more=False))

    async with streaming(app) as server:
        client = await server.client()
        client.send(GET)
        await client.head()
        assert await client.reader.readexactly(5) == b"hello"

    assert states == [True]


async def test_only_what_is_read_is_streamed() -> None:
    extensions: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        extensions.append(scope.get("extensions"))
        await send({**START, "headers": [(b"content-length", b"0")]})
        await send(body(b"", more=False))

    async with streaming(app) as server:
        client = await server.client()
        client.send(GET.replace(b"GET", b"POST"))
        await client.head()

    assert extensions == [None]


async def test_frames_right_behind_a_handshake_are_heard() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})

    async with streaming(app) as server:
        client = await server.client()
        client.send(request() + frame("first") + frame("second"))
        assert (await client.head()).startswith(b"HTTP/1.1 101 ")

        assert [await client.text(), await client.text()] == ["first", "second"]


async def test_a_handshake_behind_an_answer_that_goes_on_ends_both_and_leaves_no_wire_with_a_descriptor() -> None:
    app = Held()
    async with streaming(app) as server:
        client, wire, _ = await held(server, app)
        client.send(request())

        await until(lambda: wire.closed, "the end of the answer")
        assert wire._descriptor == -1, "it is the next client's by now"
        assert await client.rest() == b""
        app.over.set()


async def test_what_is_no_request_is_refused() -> None:
    async with streaming(Held()) as server:
        client = await server.client()
        client.send(b"\0\r\n\r\n")

        assert (await client.head()).startswith(b"HTTP/1.1 400 ")
