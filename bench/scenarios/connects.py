"""Everybody connects, leaves and comes back: what a connection costs the server, the first time and from memory."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.crowd import Crowd
from bench.load.generator import Load
from bench.machine import on_core
from bench.product import ONE_TOPIC, USUAL_TOPICS, Product
from bench.scenarios.fanout import WARM, settle

TOPICS = {"one topic": ONE_TOPIC, "the usual three": USUAL_TOPICS}


@dataclass(frozen=True)
class Arrival:
    """Connections a second, and microseconds of the server's processor for each."""

    rate: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.rate:,.0f}/s ({self.cpu:.0f} µs each)"


@dataclass(frozen=True)
class Connects:
    """``first``: of users who are not known yet; ``again``: of the same, within ``RIGHTS_CACHE`` seconds."""

    topics: str
    clients: int
    first: Arrival
    again: Arrival
    kilobytes: float  # per connection, after the first time

    def __str__(self) -> str:
        return (
            f"{self.clients:,} clients with {self.topics}: first {self.first}, again {self.again}, "
            f"{self.kilobytes:.1f} KB per connection"
        )


def measure(crowd: Crowd, topics: str) -> Connects:
    """Connect everybody, cut all off, and connect them again."""
    clients = len(crowd.users)
    with on_core("load"), Product(crowd, topics=TOPICS[topics]) as server, Load(server.port, room=2 * clients) as load:
        load.open(server.requests(WARM), greetings=1)
        settle(server)
        memory, requests = server.program.memory(), server.requests(clients - WARM)
        first = _arrive(server, load, requests)
        kilobytes = (server.program.memory() - memory) / len(requests) / 1024
        load.cut(0, clients)
        settle(server)
        return Connects(topics, clients, first, _arrive(server, load, requests), kilobytes)


def _arrive(server: Product, load: Load, requests: list[bytes]) -> Arrival:
    before, begin = server.program.cpu(), time.monotonic()
    opening = load.open(requests, greetings=1)
    settle(server)
    spent = server.program.cpu() - before
    print(f"({len(requests):,} connected and quiet after {time.monotonic() - begin:.0f} s)", flush=True)
    return Arrival(opening.rate, spent / len(requests) * 1e6)
