"""Polls that find nothing new: how many a second one process answers."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from itertools import cycle
from urllib.parse import urlencode

from bench.crowd import Crowd
from bench.load.polls import poll
from bench.load.wire import get_request
from bench.machine import on_core
from bench.product import USUAL_TOPICS, Product
from bench.statistics import quantile

CONNECTIONS = 16
PATIENCE = 60.0


@dataclass(frozen=True)
class Polls:
    """Answers a second, and how long one took, in milliseconds."""

    users: int
    rate: float
    refused: int
    p50: float
    p99: float
    complaint: str

    def __str__(self) -> str:
        refused = f", {self.refused} REFUSED: {self.complaint[:120]!r}" if self.refused else ""
        return (
            f"{self.users:,} users, {CONNECTIONS} at a time: {self.rate:,.0f} polls/s with nothing new, "
            f"p50 {self.p50:.1f} p99 {self.p99:.1f} ms{refused}"
        )


def measure(crowd: Crowd, seconds: float, users: int = 200) -> Polls:
    """Let users poll in turn, each with the cursor it was given, while nothing happens."""
    with on_core("load"), Product(crowd, topics=USUAL_TOPICS) as server:
        requests = [request(server, person) for person in range(users)]
        # The server learns what it answers to each client, and from the next poll on answers without the database.
        poll(server.port, iter(requests), connections=CONNECTIONS, seconds=PATIENCE)
        polled = poll(server.port, cycle(requests), connections=CONNECTIONS, seconds=seconds)
        p50, p99 = (quantile(polled.latencies, share) * 1000 for share in (0.5, 0.99))
        return Polls(users, polled.rate, polled.refused, p50, p99, polled.complaint)


def request(server: Product, person: int) -> bytes:
    """One user's next poll, from where a first one says they are."""
    headers = {"Authorization": f"Bearer {server.token(person)}"}
    first = urllib.request.Request(f"http://127.0.0.1:{server.port}/api/v1/events", headers=headers)
    with urllib.request.urlopen(first, timeout=30) as answer:
        cursor = json.loads(answer.read())["cursor"]
    return get_request(f"/api/v1/events?{urlencode({'cursor': cursor})}", headers)
