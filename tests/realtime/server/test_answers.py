"""How a handshake may be answered: with a socket, with a refusal of any kind, and by an application that fails."""

import asyncio
from typing import Any

import pytest

from realtime.server.handshake import Request
from realtime.server.opening import Opening
from tests.realtime.server.harness import App, Serving, request, serving, until


def answering(*messages: dict[str, Any], then: asyncio.Event | None = None) -> App:
    """An application that answers with these messages."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "websocket.connect"}
        for message in messages:
            await send(message)
        if then is not None:
            await then.wait()

    return app


async def answer(server: Serving) -> tuple[bytes, bytes]:
    """Head and body of the answer to a handshake, after which the server has closed."""
    client = await server.client()
    client.send(request())
    return await client.head(), await client.rest()


async def test_accepting_with_headers_and_subprotocol_opens() -> None:
    accept = {"type": "websocket.accept", "subprotocol": "v1", "headers": [(b"X-More", b"yes")]}
    async with serving(answering(accept), date_header=False, server_header=False) as server:
        client = await server.client()
        client.send(request())
        head = await client.head()

    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert b"\r\nsec-websocket-protocol: v1\r\nx-more: yes\r\n" in head


async def test_closing_before_accepting_is_403() -> None:
    async with serving(answering({"type": "websocket.close", "code": 4000})) as server:
        head, body = await answer(server)

    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n") and body == b""


async def test_a_refusal_has_status_headers_and_body() -> None:
    start = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"content-type", b"text/x")]}
    body = {"type": "websocket.http.response.body", "body": b"Who are you?"}
    async with serving(answering(start, body)) as server:
        head, content = await answer(server)

    assert head.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert b"\r\ncontent-type: text/x\r\ncontent-length: 12\r\nconnection: close\r\n" in head
    assert content == b"Who are you?"


async def test_a_refusal_in_parts_is_sent_in_chunks() -> None:
    start = {"type": "websocket.http.response.start", "status": 503, "headers": []}
    parts = [
        {"type": "websocket.http.response.body", "body": body, "more_body": more}
        for body, more in [(b"Not", True), (b"", True), (b" now", False)]
    ]
    async with serving(answering(start, *parts)) as server:
        head, content = await answer(server)

    assert b"\r\ntransfer-encoding: chunked\r\n" in head
    assert content == b"3\r\nNot\r\n4\r\n now\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "messages",
    [[], [{"type": "websocket.send", "text": "too early"}], [{"type": "websocket.accept", "headers": [(b"a\n", b"")]}]],
    ids=["no answer", "a message too early", "a header that is none"],
)
async def test_an_application_that_does_not_answer_is_500(messages: list[dict[str, Any]]) -> None:
    async with serving(answering(*messages)) as server:
        head, body = await answer(server)

    assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert body == b"Internal Server Error"


async def test_an_application_that_fails_within_a_refusal_ends_the_connection() -> None:
    start = {"type": "websocket.http.response.start", "status": 401, "headers": []}
    part = {"type": "websocket.http.response.body", "body": b"Who", "more_body": True}
    async with serving(answering(start, part, {"type": "websocket.accept"})) as server:
        head, body = await answer(server)

    assert head.startswith(b"HTTP/1.1 401 ") and body == b"3\r\nWho\r\n"


async def test_after_a_refusal_the_application_may_say_nothing_more() -> None:
    raised: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close"})
        try:
            await send({"type": "websocket.accept"})
        except RuntimeError as error:
            raised.append(str(error))

    async with serving(app) as server:
        await answer(server)

    assert raised == ["'websocket.accept' was sent after the application had closed the WebSocket"]


async def test_a_request_that_is_no_handshake_never_reaches_the_application() -> None:
    called: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        called.append(scope)

    async with serving(app) as server:
        client = await server.client()
        client.send(request().replace(b"Version: 13", b"Version: 12"))
        head = await client.head()
        assert await client.rest() == b"This server speaks version 13 of WebSocket."

    assert head.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert called == []


async def test_a_request_over_the_limits_is_431(realtime: Any) -> None:
    realtime(HANDSHAKE_BYTES=1024)
    async with serving(answering()) as server:
        client = await server.client()
        client.send(request("/", b"Cookie: " + b"x" * 1024))
        head = await client.head()

    assert head.startswith(b"HTTP/1.1 431 ")


async def test_more_clients_than_the_server_may_have_are_503() -> None:
    async with serving(answering({"type": "websocket.accept"}, then=asyncio.Event()), limit_concurrency=1) as server:
        await server.open()
        head, _ = await answer(server)

    assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after: " in head


async def test_a_client_that_leaves_within_the_handshake_is_told_as_lost() -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append(await receive())
        heard.append(await receive())
        with pytest.raises(OSError):
            await send({"type": "websocket.accept"})
        heard.append("refused")

    async with serving(app) as server:
        client = await server.client()
        client.send(request())
        await until(lambda: heard, "the application is asked")
        client.abort()
        await until(lambda: heard[-1] == "refused", "the application hears of it")

    assert heard[1] == {"type": "websocket.disconnect", "code": 1006, "reason": ""}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "websocket.http.response.start", "status": 101, "headers": []},
        {"type": "websocket.http.response.start", "status": 404, "headers": [(b"a", b"\r\n")]},
        {"type": "websocket.http.response.body", "body": b""},
        {"type": "websocket.accept", "headers": [(b"Sec-WebSocket-Protocol", b"v1")]},
    ],
)
def test_what_is_no_answer_raises_and_leaves_the_question_open(message: dict[str, Any]) -> None:
    opening = Opening(Request("/", b"/", b"", [], [], b"proof"))

    with pytest.raises((RuntimeError, ValueError)):
        opening.answer(message, [])

    assert opening.answer({"type": "websocket.accept"}, []).startswith(b"HTTP/1.1 101 ")
