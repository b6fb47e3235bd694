"""An application may rest: it returns, its connection stays, and it goes on in a new task with what comes next."""

import asyncio
import logging
from typing import Any

import pytest

from realtime.server.inbox import Inbox
from tests.realtime.server.harness import Serving, close, frame, serving, until


class Resting:
    """An application for one client at a time that answers each text, and rests whenever nothing has come."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.rested = 0
        self.held = asyncio.Event()
        self.held.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert "realtime.rest" in scope["extensions"]
        self.wire, self.send = scope["extensions"]["realtime.wire"], send
        await receive()
        await send({"type": "websocket.accept"})
        await self.go_on(receive)

    async def go_on(self, receive: Any) -> None:
        self.tasks.append(asyncio.current_task())
        while not self.wire.rest(self.go_on):
            message = await receive()
            self.heard.append(message.get("text", message.get("code")))
            if message["type"] == "websocket.disconnect":
                return
            await self.held.wait()
            if message["text"] == "fail":
                raise RuntimeError("it failed")
            if message["text"] == "end":
                return
            await self.send({"type": "websocket.send", "text": message["text"].upper()})
        self.rested += 1


async def resting(app: Resting, server: Serving, rested: int = 1) -> None:
    """Wait until the application rests, and nothing is left of the task it ran in."""
    await until(lambda: app.rested >= rested and not server.server.server_state.tasks, "the application rests")


async def test_nothing_runs_for_a_client_that_says_nothing_and_it_is_heard_all_the_same() -> None:
    app = Resting()
    async with serving(app) as server:
        client = await server.open()
        await resting(app, server)
        for number in range(3):
            client.send(frame(f"hello {number}"))
            assert await client.text() == f"HELLO {number}"
            await resting(app, server, number + 2)
        assert len(server.connections) == 1
    assert app.heard[:3] == ["hello 0", "hello 1", "hello 2"]
    assert len(set(map(id, app.tasks))) == len(app.tasks) == 5, "each time in a task of its own, and once for the end"


async def test_what_comes_while_it_runs_is_heard_before_it_rests() -> None:
    app = Resting()
    async with serving(app, ws_max_queue=4) as server:
        client = await server.open()
        await resting(app, server)
        app.held.clear()
        client.send(b"".join(frame(str(number)) for number in range(50)))
        await until(lambda: app.heard == ["0"], "the first is heard")
        app.held.set()
        assert [await client.text() for _ in range(50)] == [str(number) for number in range(50)]
        await resting(app, server, 2)
        assert app.rested == 2


async def test_the_end_wakes_it_once() -> None:
    app = Resting()
    async with serving(app) as server:
        leaving = await server.open()
        await resting(app, server)
        leaving.abort()
        await until(lambda: app.heard == [1006], "the loss is heard")
        closing = await server.open()
        await resting(app, server, 2)
        closing.send(close(3000, "enough"))
        assert await closing.closed() == (3000, "")
        await until(lambda: app.heard == [1006, 3000], "the close is heard")
        await until(lambda: not server.connections and not server.server.server_state.tasks, "nothing is left")
    assert app.rested == 2


async def test_a_send_goes_out_while_it_rests_and_a_close_ends_it() -> None:
    app = Resting()
    async with serving(app) as server:
        client = await server.open()
        await resting(app, server)
        await app.send({"type": "websocket.send", "text": "by the way"})
        assert await client.text() == "by the way"
        await app.send({"type": "websocket.close", "code": 4001, "reason": "over"})
        assert await client.closed() == (4001, "over")
        await until(lambda: app.heard == [4001], "it hears of its own close")


async def test_an_error_after_a_rest_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    app = Resting()
    async with serving(app) as server:
        client = await server.open()
        await resting(app, server)
        with caplog.at_level(logging.ERROR, "uvicorn.error"):
            client.send(frame("fail"))
            assert await client.closed() == (1011, "")
    assert "it failed" in caplog.text


async def test_who_returns_without_a_rest_has_ended_the_connection() -> None:
    app = Resting()
    async with serving(app) as server:
        client = await server.open()
        await resting(app, server)
        client.send(frame("end"))
        assert await client.closed() == (1000, "")


async def test_a_server_that_ends_wakes_it_with_1012(realtime: Any) -> None:
    realtime(DRAIN_SPREAD=0.01)
    app = Resting()
    async with serving(app, timeout_graceful_shutdown=20) as server:
        client = await server.open()
        await resting(app, server)
        stopping = asyncio.create_task(server.stop())
        assert await client.closed() == (1012, "draining")
        client.send(close(1012))
        await stopping
        assert app.heard == [1012]


class Sleeper:
    """Counts how often it is woken."""

    woken = 0

    def wake(self) -> None:
        self.woken += 1


async def test_the_inbox_wakes_once_for_the_next_message_and_not_for_what_is_there() -> None:
    inbox, sleeper = Inbox(4), Sleeper()
    inbox.put({"type": "a"})
    assert not inbox.rest(sleeper)
    await inbox.receive()
    assert inbox.rest(sleeper)
    assert sleeper.woken == 0
    inbox.put({"type": "b"})
    inbox.put({"type": "c"})
    assert sleeper.woken == 1
    assert [(await inbox.receive())["type"] for _ in range(2)] == ["b", "c"]


async def test_nobody_rests_where_nothing_will_come() -> None:
    inbox, sleeper = Inbox(4), Sleeper()
    inbox.end({"type": "last"})
    assert not inbox.rest(sleeper)
    await inbox.receive()
    with pytest.raises(RuntimeError, match=r"after websocket\.disconnect"):
        inbox.rest(sleeper)
