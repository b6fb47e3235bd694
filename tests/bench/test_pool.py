"""Both pools, the one in C and the one in Python, against a server that the test plays byte by byte."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from bench.load.native import NativePool, compiler
from bench.load.plain import PlainPool
from bench.load.pool import STREAM, Pool
from bench.load.wire import get_request, text_frame, websocket_request

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
LONGEST = 10.0

Opened = tuple[Pool, socket.socket]


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A server's frame, as RFC 6455 has it."""
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 1 << 16:
        length = bytes([126]) + size.to_bytes(2, "big")
    else:
        length = bytes([127]) + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + length + payload


def event(mark: int, filling: int = 0) -> bytes:
    return b'{"title":"#%08d","cursor":"c%d","message":"%s"}' % (mark, mark, b"x" * filling)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pool")


@pytest.fixture(params=["native", "plain"])
def make_pool(request: pytest.FixtureRequest, library: Path) -> Callable[..., Pool]:
    if request.param == "plain":
        return PlainPool
    if compiler() is None:
        pytest.skip("no C compiler here")
    return partial(NativePool, library)


@pytest.fixture
def connect(make_pool: Callable[..., Pool]) -> Iterator[Callable[..., Opened]]:
    """``connect(greetings=1)``: a pool with one connection whose handshake the server has read and not answered."""
    made: list[Pool | socket.socket] = []

    def begin(request: bytes | None = None, *, kind: int = 0, greetings: int = 0, **options: object) -> Opened:
        listener = socket.create_server(("127.0.0.1", 0))
        pool = make_pool(listener.getsockname()[1], room=4, records=1000, **options)
        wanted = request or websocket_request("/ws")
        pool.add(wanted, kind=kind, greetings=greetings)
        pool.run(0.01)
        peer, _ = listener.accept()
        peer.settimeout(LONGEST)
        made.extend([listener, pool, peer])
        pool.run(0.01)
        assert read(pool, peer, len(wanted)) == wanted
        return pool, peer

    yield begin
    for each in made:
        each.close()


def read(pool: Pool, peer: socket.socket, size: int) -> bytes:
    """What the pool wrote."""
    data = b""
    while len(data) < size:
        pool.run(0)
        data += peer.recv(size - len(data))
    return data


def say(pool: Pool, peer: socket.socket, data: bytes) -> None:
    """Send and wait until the pool has read it, so that the next piece is another read."""
    until = pool.counters().bytes + len(data)
    deadline = time.monotonic() + LONGEST
    peer.sendall(data)
    while pool.counters().bytes < until:
        assert time.monotonic() < deadline
        pool.run(0.001)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 4096])
def test_every_event_counts_once_however_the_bytes_are_cut(connect: Callable[..., Opened], size: int) -> None:
    pool, peer = connect()
    data = ACCEPTED + b"".join(frame(event(mark, filling)) for mark, filling in [(1, 0), (2, 100), (3, 300), (40, 70)])

    for start in range(0, len(data), size):
        say(pool, peer, data[start : start + size])

    assert list(pool.records().mark) == [1, 2, 3, 40]
    assert pool.counters().frames == 4


def test_a_frame_of_any_length_is_read(connect: Callable[..., Opened]) -> None:
    pool, peer = connect()
    say(pool, peer, ACCEPTED)

    for mark, filling in enumerate([0, 75, 76, 77, 200, 65_400, 66_000, 200_000]):
        say(pool, peer, frame(event(mark, filling)))

    assert list(pool.records().mark) == list(range(8))


def test_the_records_say_when_and_on_which_connection(connect: Callable[..., Opened]) -> None:
    pool, peer = connect()
    say(pool, peer, ACCEPTED)
    before = time.monotonic()

    say(pool, peer, frame(event(7)))

    records = pool.records()
    assert list(records.connection) == [0]
    assert before <= records.at[0] <= time.monotonic()


def test_forgotten_records_do_not_come_back(connect: Callable[..., Opened]) -> None:
    pool, peer = connect()
    say(pool, peer, ACCEPTED + frame(event(1)))

    pool.forget()
    say(pool, peer, frame(event(2)))

    assert list(pool.records().mark) == [2]
    assert pool.counters().marks == 2


def test_a_connection_is_open_when_it_was_greeted(connect: Callable[..., Opened]) -> None:
    pool, peer = connect(greetings=2, hello=text_frame(b"40"))
    say(pool, peer, ACCEPTED + frame(b"0{}"))
    assert pool.counters().opened == 0

    hello = read(pool, peer, len(text_frame(b"40")))
    say(pool, peer, frame(b"40{}"))

    assert hello == text_frame(b"40")
    assert pool.counters().opened == 1
    assert len(pool.opened()) == 1


def test_pings_of_both_kinds_are_answered(connect: Callable[..., Opened]) -> None:
    pool, peer = connect()
    say(pool, peer, ACCEPTED)

    say(pool, peer, frame(b"abc", opcode=9) + frame(b'{"type":"Ping","cursor":"x"}'))

    pong = bytes([0x8A, 0x83, 0, 0, 0, 0]) + b"abc"
    answer = text_frame(b'{"command":"Pong"}')
    assert read(pool, peer, len(pong + answer)) == pong + answer
    assert pool.counters().pings == 2


def test_a_refusal_is_a_failure_with_its_words(connect: Callable[..., Opened]) -> None:
    pool, peer = connect()

    say(pool, peer, b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\n\r\n")

    assert pool.counters().failed == 1
    assert pool.counters().opened == 0
    assert pool.complaint().startswith("HTTP/1.1 429 Too Many Requests")


def test_a_close_frame_ends_the_connection_and_is_told(connect: Callable[..., Opened]) -> None:
    pool, peer = connect()
    say(pool, peer, ACCEPTED)

    say(pool, peer, frame((1012).to_bytes(2, "big"), opcode=8))

    assert pool.counters().closed == 1
    assert pool.complaint() == "closed with 1012"


def test_who_is_cut_off_is_closed_and_nobody_else(connect: Callable[..., Opened]) -> None:
    pool, peer = connect()
    say(pool, peer, ACCEPTED)

    pool.cut(0, 1)

    assert pool.counters().closed == 1
    assert not pool.send(0, b"anything")


@pytest.mark.parametrize("size", [1, 3, 8, 9, 10, 1000])
def test_an_event_in_a_stream_counts_once_however_the_bytes_are_cut(connect: Callable[..., Opened], size: int) -> None:
    pool, peer = connect(get_request("/stream"), kind=STREAM)
    events = b"".join(b"id: #12\nevent: x\ndata: %s\n\n" % event(mark) for mark in (5, 6, 12345678))
    data = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + events

    for start in range(0, len(data), size):
        say(pool, peer, data[start : start + size])

    assert list(pool.records().mark) == [5, 6, 12345678]


def test_the_newest_cursor_is_kept_when_it_is_wanted(connect: Callable[..., Opened]) -> None:
    pool, peer = connect(greetings=1, cursors=True)

    say(pool, peer, ACCEPTED + frame(b'{"type":"Connected","data":{"cursor":"k-1"}}') + frame(event(2)))

    assert pool.cursor(0) == "c2"


def test_marks_are_hash_and_eight_digits_and_nothing_less(connect: Callable[..., Opened]) -> None:
    pool, peer = connect()

    say(pool, peer, ACCEPTED + frame(b"#1234567 ##00000009 #abc #") + frame(b"00000001"))

    assert list(pool.records().mark) == [9]
