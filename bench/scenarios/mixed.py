"""WebSocket, event streams and polling beside each other, on the same events."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import cycle

from bench.crowd import Crowd
from bench.load.arrivals import latencies
from bench.load.generator import Load
from bench.load.polls import Polled, poll
from bench.load.pool import STREAM, Records
from bench.machine import on_core
from bench.product import Product
from bench.scenarios import polling
from bench.scenarios.fanout import settle
from bench.statistics import quantile

PATIENCE = 30.0
POLLERS = 4  # connections that poll without a pause
POLLING = 50  # users that take turns on them


@dataclass(frozen=True)
class Mixed:
    """Milliseconds from the save, by transport."""

    sockets: int
    streams: int
    events: int
    socket_p50: float
    socket_p99: float
    stream_p50: float
    stream_p99: float
    polls: float  # a second, beside all that
    refused: int
    missing: int

    def __str__(self) -> str:
        missing = f"{self.missing} MISSING" if self.missing else "nothing lost"
        refused = f", {self.refused} REFUSED" if self.refused else ""
        return (
            f"{self.events} events to {self.sockets:,} WebSockets (p50 {self.socket_p50:.1f} p99 {self.socket_p99:.1f} "
            f"ms) and {self.streams:,} streams (p50 {self.stream_p50:.1f} p99 {self.stream_p99:.1f} ms), "
            f"{self.polls:,.0f} polls/s beside{refused}: {missing}"
        )


def measure(crowd: Crowd, sockets: int, streams: int, events: int) -> Mixed:
    """Connect both kinds, poll, and save an event to everyone several times a second."""
    room = sockets + streams
    with on_core("load"), Product(crowd) as server, Load(server.port, room=room) as load:
        load.open(server.requests(sockets), greetings=1)
        load.open([server.stream(person) for person in server.seats(streams)], kind=STREAM)
        settle(server)
        load.records()
        before = load.state().counters.marks
        done: list[Polled] = []
        poller = threading.Thread(target=_poll, args=(server, events / 4, done))
        poller.start()
        published: dict[int, float] = {}
        begin = time.monotonic()
        for number in range(events):
            time.sleep(max(0.0, begin + number / 4 - time.monotonic()))
            published |= server.publish(load, [number + 1])
        came = load.wait(before + room * events, PATIENCE) - before
        poller.join()
        records = load.records()
    by_socket, by_stream = (latencies(_of(records, sockets, is_stream), published) for is_stream in (False, True))
    return Mixed(
        sockets=sockets,
        streams=streams,
        events=events,
        socket_p50=quantile(by_socket, 0.5) * 1000,
        socket_p99=quantile(by_socket, 0.99) * 1000,
        stream_p50=quantile(by_stream, 0.5) * 1000,
        stream_p99=quantile(by_stream, 0.99) * 1000,
        polls=done[0].rate if done else 0.0,
        refused=done[0].refused if done else 0,
        missing=room * events - came,
    )


def _poll(server: Product, seconds: float, done: list[Polled]) -> None:
    requests = [polling.request(server, person) for person in range(POLLING)]
    poll(server.port, iter(requests), connections=POLLERS, seconds=PATIENCE)  # the server has learnt of each by then
    done.append(poll(server.port, cycle(requests), connections=POLLERS, seconds=seconds))


def _of(records: Records, sockets: int, is_stream: bool) -> Records:
    wanted = [place for place, number in enumerate(records.connection) if (number >= sockets) == is_stream]
    kept = ([values[place] for place in wanted] for values in (records.at, records.connection, records.mark))
    return Records(*kept)  # type: ignore[arg-type]
