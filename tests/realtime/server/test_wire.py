"""The way past ASGI: bytes in order, honest about what is unsent, and never to anybody else."""

import asyncio
import os
from typing import Any

from realtime.protocol.websocket import text_frame
from realtime.server.wire import Wire
from tests.realtime.server.harness import Serving, close, frame, frames_in, serving, until


class Held:
    """An application that only holds its connections open: their wires, in order of arrival."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.sends: list[Any] = []
        self.ended = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        wire = scope["extensions"]["realtime.wire"]
        assert wire.closed
        wire.write(text_frame(b"before the answer: nobody gets this"))
        await receive()
        await send({"type": "websocket.accept"})
        assert not wire.closed
        self.wires.append(wire)
        self.sends.append(send)
        await receive()
        self.ended += 1


async def held(server: Serving, app: Held, **options: Any) -> tuple[Any, Wire]:
    """A client and the wire to it."""
    client = await server.open(**options)
    await until(lambda: len(app.wires) == len(server._clients), "the wire")
    return client, app.wires[-1]


async def test_what_is_written_and_what_is_sent_arrive_in_one_order() -> None:
    app = Held()
    async with serving(app) as server:
        client, wire = await held(server, app, buffer=4096)
        for number in range(3):
            wire.write(text_frame(f"written {number}".encode()))
            await app.sends[0]({"type": "websocket.send", "text": f"sent {number}"})
        big = "x" * 20_000_000
        await app.sends[0]({"type": "websocket.send", "text": big})
        assert wire.unsent > 0
        wire.write(text_frame(b"behind"))
        expected = [text for number in range(3) for text in (f"written {number}", f"sent {number}")] + [big, "behind"]

        assert [await client.text() for _ in expected] == expected


async def test_unsent_is_what_a_client_has_not_taken_and_drained_tells_once() -> None:
    app, told = Held(), []
    async with serving(app) as server:
        client, wire = await held(server, app, buffer=4096)
        assert wire.unsent == 0
        client.transport.pause_reading()
        while not wire.unsent:
            wire.write(text_frame(b"x" * 100_000))
        for _ in range(3):
            before = wire.unsent
            wire.write(text_frame(b"y" * 1000))
            assert wire.unsent == before + 1004
        wire.drained(lambda: told.append(wire.unsent))
        wire.drained(lambda: told.append("the last to ask is told"))

        client.transport.resume_reading()
        while not told:
            await client.frame()
        wire.write(text_frame(b"x" * 10_000_000))
        await client.frame()

        assert told == ["the last to ask is told"]


async def test_drained_tells_a_turn_later_where_nothing_is_unsent_and_not_if_forgotten() -> None:
    app, told = Held(), []
    async with serving(app) as server:
        _, wire = await held(server, app)
        wire.drained(lambda: told.append("forgotten"))
        wire.drained(None)
        wire.drained(lambda: told.append("at once"))
        assert told == []
        await until(lambda: told, "the call")

    assert told == ["at once"]


async def test_a_wire_is_closed_with_its_connection_and_tells_who_waits_for_it() -> None:
    app, told = Held(), []
    async with serving(app) as server:
        client, wire = await held(server, app, buffer=4096)
        client.transport.pause_reading()
        while not wire.unsent:
            wire.write(text_frame(b"x" * 100_000))
        wire.drained(lambda: told.append(wire.closed))
        client.abort()
        await until(lambda: wire.closed, "the loss")
        wire.write(text_frame(b"to nobody"))

        assert told == [True] and wire.unsent == 0


async def test_nothing_is_written_behind_a_close() -> None:
    app = Held()
    async with serving(app) as server:
        client, wire = await held(server, app)
        wire.write(text_frame(b"before"))
        await app.sends[0]({"type": "websocket.close", "code": 4000})
        wire.write(text_frame(b"behind"))
        assert wire.closed
        client.send(close(4000))

        first, last = frames_in(await client.rest())
        assert (first.data, last.opcode, last.data) == (b"before", 8, b"\x0f\xa0")


async def test_a_descriptor_that_is_somebody_elses_is_never_written_to() -> None:
    app = Held()
    async with serving(app) as server:
        client, old = await held(server, app)
        number = old._descriptor
        assert number >= 0
        client.abort()
        await until(lambda: app.ended == 1, "the loss")
        spare: list[int] = []
        other, new = await held(server, app)
        while new._descriptor != number and len(spare) < 50:
            spare.append(os.dup(0))
            other, new = await held(server, app)
        for descriptor in spare:
            os.close(descriptor)
        assert new._descriptor == number, "the number was not given anew, so this test shows nothing"

        old.write(text_frame(b"for somebody else"))
        new.write(text_frame(b"for you"))

        assert await other.text() == "for you"


async def test_a_client_that_is_gone_is_noticed_by_writing_though_it_is_not_read() -> None:
    app = Held()
    async with serving(app, ws_max_queue=1) as server:
        client, wire = await held(server, app)
        client.send(b"".join(frame("x" * 1000) for _ in range(3)))
        await asyncio.sleep(0)
        client.abort()
        while not wire.closed:
            wire.write(text_frame(b"hello?"))
            await asyncio.sleep(0)

        await until(lambda: not server.connections, "the loss")
