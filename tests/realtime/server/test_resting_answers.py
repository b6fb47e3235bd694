"""An application may rest in the middle of its answer too: nothing runs, its body goes out, and the end wakes it."""

import asyncio
import logging
from typing import Any

import pytest

from realtime.protocol.chunked import LAST_CHUNK, chunk
from realtime.server.http import HttpProtocol
from realtime.server.stream import Signal
from tests.realtime.server.harness import Client, Serving, serving, until

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
SECRET = b"Bearer not-for-long"


def get(path: str = "/") -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: example.org\r\nAuthorization: %s\r\n\r\n" % (path.encode(), SECRET)


def body(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


class Resting:
    """An application that begins each answer, and rests whenever nothing has come; ``then`` is what it does woken."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.credentials: list[bytes] = []
        self.heard: list[str] = []
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.rested = 0
        self.fails = self.ends = False
        self.may_begin = asyncio.Event()
        self.may_begin.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert "realtime.rest" in scope["extensions"]
        self.wire, self.send = scope["extensions"]["realtime.wire"], send
        self.paths.append(scope["path"])
        self.credentials.append(dict(scope["headers"])[b"authorization"])
        assert not self.wire.rest(self.go_on), "nobody rests before the answer has begun"
        await self.may_begin.wait()
        await send(START)
        await self.go_on(receive)

    async def go_on(self, receive: Any) -> None:
        self.tasks.append(asyncio.current_task())
        if self.ends:
            return
        while not self.wire.rest(self.go_on):
            self.heard.append((await receive())["type"])
            if self.heard[-1] == "http.disconnect":
                return
        if self.fails:
            raise RuntimeError("it failed")
        self.rested += 1


def resting(app: Resting, **options: Any) -> Any:
    return serving(app, http=HttpProtocol, **options)


async def at_rest(app: Resting, server: Serving, rested: int = 1) -> None:
    """Wait until the application rests, and nothing is left of the task it ran in."""
    await until(lambda: app.rested >= rested and not server.server.server_state.tasks, "the application rests")


async def opened(app: Resting, server: Serving, path: str = "/") -> Client:
    client = await server.client()
    rested = app.rested
    client.send(get(path))
    assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
    await at_rest(app, server, rested + 1)
    return client


async def read(client: Client, data: bytes) -> None:
    async with asyncio.timeout(20):
        assert await client.reader.readexactly(len(data)) == data


async def test_nothing_runs_while_it_rests_and_what_is_written_goes_out_in_order() -> None:
    app = Resting()
    async with resting(app) as server:
        client = await opened(app, server)
        for number in range(3):
            app.wire.write(chunk(b"written %d" % number))
            await app.send(body(b"sent %d" % number))
            await read(client, chunk(b"written %d" % number) + chunk(b"sent %d" % number))
        assert not server.server.server_state.tasks
        assert app.heard == ["http.request"]


async def test_the_clients_leaving_wakes_it_once_in_a_task_of_its_own() -> None:
    app = Resting()
    async with resting(app) as server:
        client = await opened(app, server)
        client.abort()
        await until(lambda: not server.connections and not server.server.server_state.tasks, "nothing is left")
    assert app.heard == ["http.request", "http.disconnect"]
    assert len(app.tasks) == 2 and app.tasks[0] is not app.tasks[1]


async def test_who_is_woken_again_before_it_runs_goes_on_once() -> None:
    app = Resting()
    async with resting(app) as server:
        await opened(app, server)
        app.wire.wake()
        app.wire.wake()
        await at_rest(app, server, 2)

        assert app.paths == ["/"]
        assert len(app.tasks) == 2
        assert not app.wire.closed


async def test_the_end_of_its_answer_wakes_it_and_the_connection_serves_the_next_request() -> None:
    app = Resting()
    async with resting(app) as server:
        client = await opened(app, server, "/first")
        await app.send(body(b"the last", more=False))
        await read(client, chunk(b"the last") + LAST_CHUNK)
        await until(lambda: app.heard == ["http.request", "http.disconnect"], "it hears of the end")
        client.send(get("/second"))
        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        await at_rest(app, server, 2)
        app.wire.write(chunk(b"again"))
        await read(client, chunk(b"again"))
    assert app.paths == ["/first", "/second"]


async def test_a_request_that_comes_meanwhile_waits_and_is_served_whole() -> None:
    app = Resting()
    async with resting(app) as server:
        client = await opened(app, server, "/first")
        first, send = app.wire, app.send
        client.send(get("/second"))
        protocol = next(iter(server.connections))
        await until(lambda: protocol.pipeline, "the second waits")
        first.write(chunk(b"still the first"))
        await read(client, chunk(b"still the first"))
        await send(body(b"", more=False))
        await read(client, LAST_CHUNK)
        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        await until(lambda: app.heard.count("http.request") == 2, "the second hears of its request, which is there")
    assert app.paths == ["/first", "/second"]
    assert app.credentials == [SECRET, SECRET]


async def test_who_leaves_with_another_request_waiting_is_missed_all_the_same() -> None:
    app = Resting()
    async with resting(app) as server:
        client = await opened(app, server, "/first")
        protocol = next(iter(server.connections))
        client.send(get("/second"))
        await until(lambda: protocol.pipeline, "the second waits")
        client.abort()

        def is_lost() -> bool:
            app.wire.write(chunk(b"anybody there?"))  # what comes is not read for now, so only a write can tell
            return not server.connections

        await until(is_lost, "the loss is noticed")
        await until(lambda: app.heard == ["http.request", "http.disconnect"], "it hears that its client has left")
        await until(lambda: not server.server.server_state.tasks, "nothing is left")
    assert app.paths == ["/first"]


async def test_half_a_request_that_comes_before_the_answer_begins_is_not_let_go_with_the_one_before() -> None:
    app = Resting()
    app.may_begin.clear()
    async with resting(app) as server:
        client = await server.client()
        half = len(get("/second")) // 2
        client.send(get("/first") + get("/second")[:half])
        await until(lambda: app.paths == ["/first"], "the first is there")
        app.may_begin.set()
        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        await at_rest(app, server)
        client.send(get("/second")[half:])
        await app.send(body(b"", more=False))
        await read(client, LAST_CHUNK)
        assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
    assert app.paths == ["/first", "/second"]
    assert app.credentials == [SECRET, SECRET]


async def test_the_request_is_let_go_once_its_answer_has_begun() -> None:
    app = Resting()
    async with resting(app) as server:
        await opened(app, server)
        protocol = next(iter(server.connections))
        kept = [protocol.scope, protocol.headers, protocol.url, protocol.cycle.scope]
        assert SECRET not in repr(kept).encode()


async def test_an_error_after_a_rest_ends_the_connection_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = Resting()
    async with resting(app) as server:
        await opened(app, server)
        app.fails = True
        with caplog.at_level(logging.ERROR, "uvicorn.error"):
            app.wire.wake()
            await until(lambda: not server.connections, "the connection's end")
    assert "it failed" in caplog.text
    assert app.rested == 1
    assert app.wire.closed and app.wire._go_on is None, "who failed as it went to rest is not woken"


async def test_who_returns_without_a_rest_or_an_end_has_ended_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    app = Resting()
    async with resting(app) as server:
        client = await opened(app, server)
        app.ends = True
        with caplog.at_level(logging.ERROR, "uvicorn.error"):
            app.wire.wake()
            assert await client.rest() == b""
    assert "without completing response" in caplog.text


async def test_a_server_that_ends_wakes_it_and_waits_for_it_no_longer_than_for_others() -> None:
    app = Resting()
    async with resting(app, timeout_graceful_shutdown=1) as server:
        client = await opened(app, server)
        await server.stop()
        assert len(app.tasks) == 2
        assert app.tasks[1] is not None and app.tasks[1].cancelled() is False and app.tasks[1].done()
        assert await client.rest() == b""
    assert app.heard == ["http.request"]
    assert app.rested == 1


async def test_an_error_before_anything_is_answered_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("it failed")

    async with serving(app, http=HttpProtocol) as server:
        client = await server.client()
        with caplog.at_level(logging.ERROR, "uvicorn.error"):
            client.send(get())
            assert (await client.head()).startswith(b"HTTP/1.1 500 ")
    assert "it failed" in caplog.text


async def test_a_signal_wakes_all_who_wait_and_calls_back_once() -> None:
    signal, called = Signal(), []
    signal.then = lambda: called.append(signal.is_set())
    waiting = [asyncio.ensure_future(signal.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    signal.set()
    signal.set()

    assert await asyncio.gather(*waiting[1:]) == [True, True]
    assert called == [True]
    assert await signal.wait()
    signal.clear()
    later = asyncio.ensure_future(signal.wait())
    await asyncio.sleep(0)
    assert not later.done() and not signal.is_set()
    signal.set()
    assert await later
