"""The first bytes of a connection decide who serves it, and nothing else does."""

from __future__ import annotations

import os
from typing import Any

import pytest

from realtime.server import door
from realtime.server.door import Door
from realtime.server.http import HttpProtocol
from realtime.server.websocket import WebSocketProtocol
from tests.realtime.server.harness import frame, request, serving, until

GET = b"GET /page HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers a request, or greets a WebSocket in the step in which it opens it."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"page"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/greets":
        await send({"type": "websocket.send", "text": "hello"})
    if scope["path"] == "/leaves":
        await send({"type": "websocket.close", "code": 4000})
        return
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def test_a_request_for_a_page_is_uvicorns() -> None:
    async with serving(app, http=Door) as server:
        client = await server.client()
        client.send(GET)

        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await client.rest() == b"page"


async def test_a_whole_handshake_goes_to_the_websocket_past_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "HttpProtocol", None)
    async with serving(app, http=Door) as server:
        client = await server.client()
        client.send(request("/echoes") + frame("in the same packet"))

        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        assert await client.text() == "in the same packet"
        assert [type(each) for each in server.connections] == [WebSocketProtocol]


@pytest.mark.parametrize("cut", [1, 3, 40, -1])
async def test_a_handshake_in_pieces_is_gathered_and_opens_a_websocket_too(cut: int) -> None:
    whole = request("/greets")
    async with serving(app, http=Door) as server:
        client = await server.client()
        client.send(whole[:cut])
        await until(lambda: [type(each) for each in server.connections] == [HttpProtocol], "the first piece")
        client.send(whole[cut:])

        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        assert await client.text() == "hello"


@pytest.mark.parametrize(
    "header",
    [b"Upgrade: h2c", b"Upgrade: websockets", b"X-Upgrade: websocket", b"X: a\tupgrade: websocket"],
)
async def test_what_asks_for_something_else_is_a_request(header: bytes) -> None:
    async with serving(app, http=Door) as server:
        client = await server.client()
        client.send(GET.replace(b"Connection: close", b"Connection: upgrade, close\r\n" + header))

        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_an_upgrade_behind_the_head_of_a_request_is_its_body() -> None:
    behind = b"\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    head = GET.replace(b"close", b"upgrade").replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % len(behind))
    async with serving(app, http=Door) as server:
        client = await server.client()
        client.send(head + behind)

        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_who_comes_and_says_nothing_is_sent_away(settings: Any) -> None:
    settings.REALTIME = {**settings.REALTIME, "UNAUTHENTICATED_SECONDS": 0.05}
    async with serving(app, http=Door) as server:
        client = await server.client()

        assert await client.rest() == b""
        await until(lambda: not server.connections, "nobody is left")


async def test_who_has_said_nothing_does_not_hold_up_the_end() -> None:
    async with serving(app, http=Door, timeout_graceful_shutdown=600) as server:
        client = await server.client()
        await until(lambda: server.connections, "the connection")
        server.server.should_exit = True

        assert await client.rest() == b""


# The answer to a handshake waits a moment, for what is said with it


async def test_the_answer_and_the_greeting_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    real = os.write
    monkeypatch.setattr("realtime.server.wire.os.write", lambda fd, data: written.append(bytes(data)) or real(fd, data))
    async with serving(app, http=Door) as server:
        client = await server.open("/greets")

        assert await client.text() == "hello"
    assert len([data for data in written if b" 101 " in data and data.endswith(b"hello")]) == 1


async def test_an_answer_that_nothing_follows_goes_out_alone_and_what_comes_later_behind_it() -> None:
    async with serving(app, http=Door) as server:
        client = await server.open("/echoes")
        client.send(frame("later"))

        assert await client.text() == "later"


async def test_a_close_in_the_step_of_the_answer_comes_behind_it() -> None:
    async with serving(app, http=Door) as server:
        client = await server.open("/leaves")

        assert await client.closed() == (4000, "")


async def test_a_violation_in_the_packet_of_the_handshake_is_answered_behind_it() -> None:
    async with serving(app, http=Door) as server:
        client = await server.client()
        client.send(request("/echoes") + b"\x81\x01a")  # not masked

        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        assert (await client.closed())[0] == 1002
