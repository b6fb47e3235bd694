"""The way out past ASGI: framed bytes in order, slow clients given up, and nothing that costs those who keep up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pytest_django import Settings

from realtime.hub import Hub
from realtime.server.wire import Wire
from realtime.transports.wire import WireOutlet

PATIENCE = 10.0


class Kernel:
    """A wire that takes as much as it is let take."""

    def __init__(self, room: int = 10**9) -> None:
        self.room = room
        self.taken = b""
        self.waiting = b""
        self.closed = False
        self.callback: Callable[[], None] | None = None

    @property
    def unsent(self) -> int:
        return len(self.waiting)

    def write(self, data: bytes) -> None:
        if not self.closed:
            self.waiting += data
            self.take(0)

    def take(self, more: int) -> None:
        """Make room, and take what fits into it."""
        self.room += more
        part, self.waiting = self.waiting[: self.room], self.waiting[self.room :]
        self.room -= len(part)
        self.taken += part
        if not self.waiting and self.callback is not None:
            callback, self.callback = self.callback, None
            callback()

    def drained(self, callback: Callable[[], None] | None) -> None:
        self.callback = callback


class Client:
    """Somebody at the end of a wire: what the outlet said of them, and what the server was told by ASGI."""

    def __init__(self, room: int = 10**9) -> None:
        self.kernel = Kernel(room)
        self.heart = Hub().heart
        self.faults: list[bool] = []
        self.said: list[Any] = []
        self.outlet = WireOutlet(self.kernel, self.send, self.faults.append, self.heart)

    async def send(self, message: Any) -> None:
        self.said.append((message, len(self.kernel.taken + self.kernel.waiting)))

    @property
    def is_watched(self) -> bool:
        return self.outlet in self.heart._stuck

    def write(self, *sizes: int) -> None:
        for size in sizes:
            self.outlet.write(b"x" * size, size)


@pytest.fixture
def bounds(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "UNSENT_BYTES": 1024, "UNSENT_SECONDS": 10}


async def test_who_keeps_up_is_watched_by_nobody(bounds: None) -> None:
    client = Client()

    client.write(5000, 5000)
    client.outlet.end({"type": "last"})

    assert len(client.kernel.taken) == 10_000
    assert client.said == [({"type": "last"}, 10_000)]
    assert not client.is_watched
    assert client.kernel.callback is None


async def test_a_client_that_leaves_too_much_unsent_is_given_up_once_and_gets_no_more(bounds: None) -> None:
    client = Client(room=0)
    client.write(200, 200, 200, 200, 200)
    assert client.faults == []

    client.write(25)
    client.write(200)

    assert client.faults == [True]
    assert client.kernel.unsent == 1025
    assert not client.is_watched
    assert client.kernel.callback is None


async def test_what_a_fan_out_wrote_counts_as_well(bounds: None) -> None:
    client = Client(room=0)
    for _ in range(5):
        client.kernel.write(b"x" * 210)
        client.outlet.lagging(210)

    assert client.faults == [True]


async def test_one_large_message_says_nothing_about_the_client(bounds: None) -> None:
    client = Client(room=100)

    client.write(50, 5000)
    client.write(200, 200, 200, 200, 200)
    assert client.faults == []
    client.kernel.take(10_000)
    client.kernel.room = 0
    client.write(200, 200, 200, 200, 200, 200)

    assert client.faults == [True]


async def test_many_large_messages_do(bounds: None) -> None:
    client = Client(room=0)

    client.write(5000, 5000)

    assert client.faults == [True]


async def test_a_client_that_takes_nothing_for_too_long_is_given_up(bounds: None) -> None:
    client = Client(room=10)
    client.write(100)
    begin = asyncio.get_running_loop().time()

    client.outlet.look(begin + 9)
    client.write(100)
    assert client.faults == []
    client.outlet.look(begin + 11)

    assert client.faults == [True]


async def test_a_client_that_is_slow_but_moves_is_kept(bounds: None) -> None:
    client = Client(room=0)
    begin = asyncio.get_running_loop().time()

    for number in range(1, 20):
        client.write(50)
        client.kernel.take(10 if number % 2 else 60)
        client.outlet.look(begin + 9 * number)

    assert client.faults == []
    assert client.is_watched
    client.outlet.look(begin + 9 * 19 + 11)
    assert client.faults == [True]


async def test_a_client_that_has_taken_everything_begins_anew(bounds: None) -> None:
    client = Client(room=0)
    client.write(900)
    client.kernel.take(900)
    assert not client.is_watched

    client.write(900)
    client.outlet.look(asyncio.get_running_loop().time() + 9)

    assert client.faults == []
    assert client.is_watched


async def test_flushed_returns_at_once_where_little_is_unsent_else_when_all_is_sent(bounds: None) -> None:
    client = Client(room=0)
    client.write(512)
    await client.outlet.flushed()
    client.write(1)
    waiting = [asyncio.ensure_future(client.outlet.flushed()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)

    client.kernel.take(513)

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*waiting)
    assert client.faults == []


@pytest.mark.parametrize("end", ["abandoned", "slow"])
async def test_nobody_waits_for_a_client_that_was_given_up(bounds: None, end: str) -> None:
    client = Client(room=0)
    client.write(200, 200, 200, 200, 200)
    waiting = [asyncio.ensure_future(client.outlet.flushed()), asyncio.ensure_future(client.outlet.finished())]
    await asyncio.sleep(0)

    if end == "abandoned":
        client.outlet.abandon()
    else:
        client.write(100)

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*waiting)
        await client.outlet.flushed()
        await client.outlet.finished()
    client.outlet.end({"type": "last"})
    assert client.said == []
    assert not client.is_watched


# Over a real socket, on the server's own wire


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[WireOutlet, Wire, socket.socket, list[bool]]]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    wire, faults = Wire(), list[bool]()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            wire.attach(transport)
            wire.open()

        def connection_lost(self, exc: Exception | None) -> None:
            wire.lost()

        def pause_writing(self) -> None:
            wire.pause_writing()

        def resume_writing(self) -> None:
            wire.resume_writing()

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(Protocol, sock=ours)
    with theirs:
        yield WireOutlet(wire, Client().send, faults.append, Hub().heart), wire, theirs, faults
    transport.abort()


async def test_what_the_kernel_does_not_take_at_once_arrives_in_order() -> None:
    async with connected() as (outlet, wire, theirs, faults):
        sent = b"".join(bytes([number]) * 10_000 for number in range(100))
        for start in range(0, len(sent), 10_000):
            outlet.write(sent[start : start + 10_000], 10_000)
        assert wire.unsent

        reading = asyncio.ensure_future(read(theirs, len(sent)))
        async with asyncio.timeout(PATIENCE):
            await outlet.finished()
            assert await reading == sent
        assert not wire.unsent
        assert faults == []


async def test_a_client_that_does_not_read_is_given_up_and_one_that_left_is_waited_for_by_nobody(
    settings: Settings,
) -> None:
    settings.REALTIME = {**settings.REALTIME, "UNSENT_BYTES": 50_000}
    async with connected() as (outlet, wire, theirs, faults):
        written = 0
        while not faults:
            outlet.write(b"x" * 10_000, 10_000)
            written += 10_000
            assert wire.unsent <= 60_000
        assert faults == [True]
    async with connected() as (outlet, wire, theirs, faults):
        while wire.unsent < 30_000:
            outlet.write(b"x" * 10_000, 10_000)
        theirs.close()
        async with asyncio.timeout(PATIENCE):
            await outlet.finished()
        assert faults == []


async def read(theirs: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        got += await asyncio.get_running_loop().sock_recv(theirs, 65536)
    return got
