"""One client and one application on a real uvicorn: what each hears of the other, in every order of events."""

import asyncio
import logging
from typing import Any

import pytest

from tests.realtime.server.harness import close, frame, request, serving, until


class Log:
    """An application that accepts, notes what it hears, and answers each message with the same."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {}
        self.heard: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self.heard.append(await receive())
        await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
        while self.heard[-1]["type"] != "websocket.disconnect":
            self.heard.append(await receive())
            if self.heard[-1]["type"] == "websocket.receive":
                await send({**self.heard[-1], "type": "websocket.send"})

    @property
    def last(self) -> tuple[int, str]:
        """How it was told to end."""
        message = self.heard[-1]
        return (message["code"], message["reason"]) if message["type"] == "websocket.disconnect" else (0, "")


async def test_what_the_client_says_reaches_the_application_and_comes_back() -> None:
    log = Log()
    async with serving(log) as server:
        client = await server.open()
        for payload in ("", "héllo", "x" * 65536, b"", b"\xff" * 70_000):
            client.send(frame(payload))
            opcode, data = await client.frame()
            assert (opcode, data) == ((1, payload.encode()) if isinstance(payload, str) else (2, payload))
        client.abort()

    assert [message["type"] for message in log.heard] == [
        "websocket.connect",
        *["websocket.receive"] * 5,
        "websocket.disconnect",
    ]


async def test_the_scope_is_what_asgi_says() -> None:
    log = Log()
    async with serving(log, root_path="/root") as server:
        client = await server.client()
        client.send(request("/caf%C3%A9?a=%20b", b"X-Two: 1", b"x-two: 2", b"Sec-WebSocket-Protocol: v1, v2"))
        assert b"\r\nsec-websocket-protocol: v1\r\n" in await client.head()
        client.abort()

    scope = log.scope
    assert (scope["type"], scope["http_version"], scope["scheme"]) == ("websocket", "1.1", "ws")
    assert (scope["path"], scope["raw_path"]) == ("/root/café", b"/root/caf%C3%A9")
    assert (scope["query_string"], scope["root_path"]) == (b"a=%20b", "/root")
    assert scope["server"] == ("127.0.0.1", server.port)
    assert scope["client"] == client.transport.get_extra_info("sockname")
    assert scope["subprotocols"] == ["v1", "v2"]
    assert [value for name, value in scope["headers"] if name == b"x-two"] == [b"1", b"2"]
    assert set(scope["extensions"]) == {"websocket.http.response", "realtime.wire", "realtime.rest"}


async def test_bytes_one_at_a_time_are_the_same_message() -> None:
    async with serving(Log()) as server:
        client = await server.open()
        for byte in frame("héllo", fin=False) + frame(b"!", opcode=9) + frame(b" world", opcode=0):
            client.send(bytes((byte,)))
            await asyncio.sleep(0)

        assert await client.frame() == (10, b"!")
        assert await client.text() == "héllo world"
        client.abort()


async def test_the_client_closes_and_the_server_answers() -> None:
    log = Log()
    async with serving(log) as server:
        client = await server.open()
        client.send(close(4000, "enough") + frame("never heard"))

        assert await client.closed() == (4000, "")
        assert await client.rest() == b""

    assert [message["type"] for message in log.heard] == ["websocket.connect", "websocket.disconnect"]
    assert log.last == (4000, "enough")


async def test_a_close_without_a_code_is_told_as_such() -> None:
    log = Log()
    async with serving(log) as server:
        client = await server.open()
        client.send(frame(b"", opcode=8))

        assert await client.closed() == (1000, "")
        assert await client.rest() == b""

    assert log.last == (1005, "")


async def test_a_client_that_is_reset_is_told_as_lost() -> None:
    log = Log()
    async with serving(log) as server:
        client = await server.open()
        client.abort()
        await until(lambda: log.last == (1006, ""), "the application hears of the loss")

        assert server.connections == set()


async def test_a_client_that_only_stops_sending_is_lost_as_well() -> None:
    log = Log()
    async with serving(log) as server:
        client = await server.open()
        client.writer.write_eof()

        assert await client.rest() == b""
    assert log.last == (1006, "")


async def test_a_violation_is_answered_though_the_client_goes_on_sending() -> None:
    log = Log()
    async with serving(log, ws_max_size=1000) as server:
        client = await server.open()
        client.send(frame("x" * 1001) + b"more" * 100_000)

        assert await client.closed() == (1009, "a message may have 1000 bytes")
        assert await client.rest() == b""
        client.abort()
        await until(lambda: not server.connections, "the connection's end")

    assert log.last == (1009, "a message may have 1000 bytes")


async def test_the_application_closes_with_code_and_reason_and_hears_nothing_more() -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4001, "reason": "go away"})
        with pytest.raises(RuntimeError, match="after the application had closed"):
            await send({"type": "websocket.send", "text": "too late"})
        heard.append(await receive())
        with pytest.raises(RuntimeError, match=r"after websocket\.disconnect"):
            await receive()
        heard.append("done")

    async with serving(app) as server:
        client = await server.open()
        assert await client.closed() == (4001, "go away")
        client.send(frame("not heard") + close(4001))

        assert await client.rest() == b""
    assert heard == [{"type": "websocket.disconnect", "code": 4001, "reason": "go away"}, "done"]


async def test_sending_to_a_client_that_left_raises_an_os_error() -> None:
    raised: list[Exception] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        for kind in ("websocket.send", "websocket.close"):
            try:
                await send({"type": kind, "text": "hello?"})
            except OSError as error:
                raised.append(error)

    async with serving(app) as server:
        client = await server.open()
        client.abort()
        await until(lambda: len(raised) == 2, "both are refused")


async def test_an_application_that_fails_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise ValueError("a bug")

    async with serving(app) as server:
        client = await server.open()
        assert await client.closed() == (1011, "")
        client.abort()

    assert "ValueError: a bug" in caplog.text


async def test_an_application_that_lets_a_lost_client_raise_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "text": "hello?"})
            await asyncio.sleep(0)

    async with serving(app) as server:
        client = await server.open()
        client.abort()
        await until(lambda: not server.server.server_state.tasks, "the application's end")

    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_an_application_that_returns_closes_with_1000() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "bye"})

    async with serving(app) as server:
        client = await server.open()
        assert await client.text() == "bye"
        assert await client.closed() == (1000, "")
        client.send(close(1000))
        assert await client.rest() == b""


@pytest.mark.parametrize(
    "message",
    [
        {"type": "websocket.send"},
        {"type": "websocket.accept"},
        {"type": "http.response.start", "status": 200},
        {"type": "websocket.close", "code": 1006},
    ],
    ids=["nothing to send", "a second accept", "another protocol's", "a code that is never sent"],
)
async def test_a_message_that_has_no_place_raises_and_changes_nothing(message: dict[str, Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        with pytest.raises((RuntimeError, ValueError)):
            await send(message)
        await send({"type": "websocket.send", "text": "still open"})
        await receive()

    async with serving(app) as server:
        client = await server.open()
        assert await client.text() == "still open"
        client.abort()


async def test_a_client_that_does_not_answer_a_close_is_let_go(realtime: Any) -> None:
    realtime(CLOSE_TIMEOUT=0.1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

    async with serving(app) as server:
        client = await server.open()
        assert await client.closed() == (1000, "")

        with pytest.raises(ConnectionResetError):
            await client.rest()
            await client.rest()
            raise ConnectionResetError  # an end without a reset is one as well
        await until(lambda: not server.connections, "the connection's end")


async def test_silence_is_asked_and_then_ended_where_uvicorn_is_set_to() -> None:
    log = Log()
    async with serving(log, ws_ping_interval=0.05, ws_ping_timeout=1) as server:  # a pause of the machine is no silence
        client = await server.open()
        assert await client.frame() == (9, b"")
        client.send(frame(b"", opcode=10))
        assert await client.frame() == (9, b"")

        opcode, payload = 9, b""
        while opcode == 9:
            opcode, payload = await client.frame()
        assert (opcode, payload[2:]) == (8, b"keepalive ping timeout")
        client.abort()
    assert log.last == (1011, "keepalive ping timeout")
