"""One event to everybody: the product and its peers, one after the other, round after round.

In each round every server is started anew, alone on its core, takes a thousand clients and then ten thousand, and
tells them the same events, one at a time: the next is published when the last client has the one before.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.load.arrivals import Faults, by_event, faults
from bench.load.generator import Load, Refused
from bench.machine import on_core
from bench.peers.server import Missing, Server
from bench.statistics import median, quantile
from config.services.supervised import ServiceError

WARM = 10  # connections and events that are not counted
PATIENCE = 60.0  # seconds for one event to reach everybody
FLOOD = 5000  # marks of the events that are published back to back


@dataclass(frozen=True)
class Size:
    """How many clients, and how many events they are told."""

    clients: int
    events: int


@dataclass
class Spread:
    """What the events did at one size. Latencies in milliseconds, from publishing to each client."""

    clients: int
    rate: float = 0.0  # deliveries a second, from publishing until the last client has the event
    stride: float = 0.0  # the same, from when the first client has it
    p50: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    first: float = 0.0  # until the first client had it
    cpu: float = 0.0  # microseconds of the server's processor for each delivery
    load_busy: float = 0.0  # share of its core that the load generator used
    missing: int = 0


@dataclass
class Round:
    """One server in one round."""

    connects: float = 0.0
    kilobytes: float = 0.0  # per connection
    spreads: dict[int, Spread] = field(default_factory=dict)
    overload: float = 0.0  # deliveries a second
    overload_faults: Faults | None = None


Make = Callable[[], Server]


def compare(makes: Sequence[Make], sizes: Sequence[Size], rounds: int) -> tuple[dict[str, list[Round]], dict[str, str]]:
    """Measure every server in every round; return the rounds and the versions, by name."""
    found: dict[str, list[Round]] = {}
    versions: dict[str, str] = {}
    for number in range(rounds):
        for make in makes:
            server = make()
            try:
                found.setdefault(server.name, []).append(measure(server, sizes))
                versions[server.name] = server.version()
                print(f"round {number + 1}: {summary(server.name, found[server.name][-1])}", flush=True)
            except (Missing, Refused, ServiceError, OSError, EOFError) as error:
                print(f"SKIPPED {server.name}: {error}", file=sys.stderr, flush=True)
    return {name: measured for name, measured in found.items() if measured}, versions


def measure(server: Server, sizes: Sequence[Size]) -> Round:
    """Start the server, measure it at each size, end it."""
    room = max(size.clients for size in sizes)
    result = Round()
    with on_core("load"), server, Load(server.port, room=room, hello=server.hello) as load:
        load.open(server.requests(WARM), kind=server.kind, greetings=server.greetings)
        settle(server)
        connected, before = WARM, server.program.memory()
        for size in sizes:
            more = server.requests(size.clients - connected)
            opening = load.open(more, kind=server.kind, greetings=server.greetings)
            connected = size.clients
            settle(server)
            if size is sizes[-1]:
                result.connects = opening.rate
                result.kilobytes = (server.program.memory() - before) / (connected - WARM) / 1024
            result.spreads[size.clients] = spread(server, load, connected, min(size.events, server.most_events))
            if size is sizes[0] and server.overload:
                result.overload, result.overload_faults = flood(server, load, connected, server.overload)
    return result


def spread(server: Server, load: Load, clients: int, events: int) -> Spread:
    """Publish events one by one; return how they spread."""
    _publish(server, load, clients, range(1, 3))
    load.records()
    state, cpu = load.state(), server.program.cpu()
    published = _publish(server, load, clients, range(100, 100 + events))
    after, cpu = load.state(), server.program.cpu() - cpu
    ways = [way for way in by_event(load.records(), published).values() if way.count]
    times = sorted(latency for way in ways for latency in way.latencies)
    deliveries = sum(way.count for way in ways)
    return Spread(
        clients=clients,
        rate=median([way.rate for way in ways]) if ways else 0.0,
        stride=median([way.stride for way in ways]) if ways else 0.0,
        p50=quantile(times, 0.5) * 1000,
        p99=quantile(times, 0.99) * 1000,
        p999=quantile(times, 0.999) * 1000,
        first=median([way.first for way in ways]) * 1000 if ways else 0.0,
        cpu=cpu / deliveries * 1e6 if deliveries else 0.0,
        load_busy=(after.cpu - state.cpu) / (after.at - state.at),
        missing=clients * events - deliveries,
    )


def flood(server: Server, load: Load, clients: int, events: int) -> tuple[float, Faults]:
    """Publish events back to back; return deliveries a second over all of them, and what was wrong."""
    marks = range(FLOOD, FLOOD + events)
    before = load.state().counters.marks
    server.publish_at_once(load, marks)
    load.wait(before + clients * events, PATIENCE)
    records = load.records()
    took = records.at[-1] - records.at[0] if len(records.at) else 0.0
    wrong = faults(records, dict.fromkeys(range(clients), marks))
    return (len(records.at) / took if took else 0.0), wrong


def settle(server: Server, quiet: float = 0.05, longest: float = 15.0) -> None:
    """Wait until the server uses next to nothing of its core: it may have work left after a client is connected."""
    deadline, used = time.monotonic() + longest, server.program.cpu()
    while time.monotonic() < deadline:
        time.sleep(0.5)
        before, used = used, server.program.cpu()
        if used - before <= quiet * 0.5:
            return


def summary(name: str, result: Round) -> str:
    """One server's round in a line."""
    parts = [f"{name}: {result.connects:,.0f} connects/s, {result.kilobytes:.1f} KB"]
    for one in result.spreads.values():
        missing = f", {one.missing} MISSING" if one.missing else ""
        parts.append(
            f"to {one.clients:,}: {one.rate:,.0f}/s ({one.stride:,.0f}), p50 {one.p50:.1f} p99 {one.p99:.1f} ms, "
            f"{one.cpu:.1f} µs each, load {one.load_busy:.0%}{missing}"
        )
    if result.overload:
        wrong = f" ({result.overload_faults})" if result.overload_faults else ""
        parts.append(f"overload {result.overload:,.0f}/s{wrong}")
    return "; ".join(parts)


def _publish(server: Server, load: Load, clients: int, marks: range) -> dict[int, float]:
    published: dict[int, float] = {}
    for mark in marks:
        before = load.state().counters.marks
        published |= server.publish(load, [mark])
        load.wait(before + clients, PATIENCE)
    return published
