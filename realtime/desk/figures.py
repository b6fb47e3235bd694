"""What one process says of itself, and what the words of all processes come to together.

When it is said, and how it gets from process to process, is ``desk``'s business.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from datetime import datetime
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from realtime.protocol.entry import Entry

STEP = 1.25  # between two classes of latency: what is read from them is at most so much too high
SLOWEST = 60_000.0  # milliseconds
BUSIEST = 10  # topics a process names

_K = TypeVar("_K")

Rate = Annotated[float, Meta(description="Per second, since the process last spoke.")]
Milliseconds = Annotated[float | None, Meta(description="From publishing to the sockets; null: nothing was delivered.")]


class Busy(Struct, frozen=True):
    """A topic with its clients and what they were sent of it."""

    topic: str
    clients: int
    deliveries: Rate


class Figures(Struct, frozen=True, kw_only=True):
    """How one process is doing."""

    process: str
    name: Annotated[str, Meta(description="Host and process id.")]
    clients: Annotated[dict[str, int], Meta(description="Connections by transport.")]
    users: int
    topics: int
    position: Annotated[int, Meta(description="Up to which the process is complete.")]
    head: Annotated[int | None, Meta(description="Of the log; null: the database did not answer.")]
    waiting: Annotated[float | None, Meta(description="Seconds for which the oldest event has waited for its place.")]
    events: Rate
    deliveries: Rate
    errors: Rate
    slow: Annotated[int, Meta(description="Clients that have not taken all they were sent.")]
    latency: Annotated[dict[int, int], Meta(description="Deliveries by class of latency.")]
    busiest: list[Busy]

    @property
    def lag(self) -> int:
        """Entries of the log that the process does not have yet."""
        return max(0, (self.head or 0) - self.position)


class ProcessFigures(Struct, frozen=True, kw_only=True):
    """One process, as the page shows it."""

    name: str
    clients: dict[str, int]
    events: Rate
    deliveries: Rate
    errors: Rate
    lag: int
    slow: int
    p50: Milliseconds
    p99: Milliseconds


class OperationsFigures(Struct, frozen=True, kw_only=True):
    """How the installation is doing, as far as the process that says so has heard."""

    clients: Annotated[dict[str, int], Meta(description="Connections by transport.")]
    users: Annotated[int, Meta(description="Each counted once per process.")]
    head: int | None
    waiting: float | None
    lag: Annotated[int, Meta(description="Entries that the last of the followers lacks.")]
    events: Rate
    deliveries: Rate
    errors: Rate
    slow: int
    p50: Milliseconds
    p99: Milliseconds
    topics: list[Busy]
    processes: list[ProcessFigures]


class Tally:
    """Counts what is delivered between two words of a process."""

    def __init__(self) -> None:
        self._events = 0
        self._latency: Counter[int] = Counter()
        self._traffic: Counter[str] = Counter()

    def note(self, entries: Sequence[Entry], on: Callable[[str], Sized], now: datetime) -> None:
        """Count entries that go out at this moment to who is ``on`` their topics."""
        self._events += len(entries)
        for entry in entries:
            if count := len(on(entry.topic)):
                self._traffic[entry.topic] += count
        waited = waited_for(entries, on, now)
        if waited is not None:
            self._latency[class_of(waited * 1000)] += 1

    def taken(self) -> tuple[int, dict[int, int], Counter[str]]:
        """Events, latencies and deliveries by topic since it was last asked."""
        counted = self._events, dict(self._latency), self._traffic
        self._events, self._latency, self._traffic = 0, Counter(), Counter()
        return counted


def waited_for(entries: Sequence[Entry], on: Callable[[str], Sized], now: datetime) -> float | None:
    """Seconds since the first of the entries that go out to anybody ``on`` their topics was said; None: to nobody."""
    first = next((entry for entry in entries if on(entry.topic)), None)
    return None if first is None else max(0.0, (now - datetime.fromisoformat(first.timestamp)).total_seconds())


def class_of(milliseconds: float) -> int:
    """The class of a latency: 0 up to a millisecond, then each reaches ``STEP`` times as far as the one before."""
    bounded = min(max(milliseconds, 1.0), SLOWEST)  # clocks of two machines may differ: nothing came before it was said
    return math.ceil(round(math.log(bounded, STEP), 6))


def quantile(latency: Mapping[int, int], share: float) -> float | None:
    """Milliseconds within which ``share`` of the deliveries were made; None where there were none."""
    wanted = share * sum(latency.values())
    seen = 0
    for number in sorted(latency):
        seen += latency[number]
        if seen >= wanted:
            return round(float(STEP**number), 1)
    return None


def together(words: Iterable[Figures]) -> OperationsFigures:
    """What the words of all processes come to."""
    said = sorted(words, key=lambda figures: figures.name)
    heads = [figures.head for figures in said if figures.head is not None]
    waits = [figures.waiting for figures in said if figures.waiting is not None]
    latency = _sum(figures.latency for figures in said)
    head = max(heads, default=None)
    return OperationsFigures(
        clients=_sum(figures.clients for figures in said),
        users=sum(figures.users for figures in said),
        head=head,
        waiting=max(waits, default=None),
        lag=max((figures.lag for figures in said), default=0),
        # Each process hears of every event, so the largest is the number of all.
        events=max((figures.events for figures in said), default=0.0),
        deliveries=round(sum(figures.deliveries for figures in said), 2),
        errors=round(sum(figures.errors for figures in said), 2),
        slow=sum(figures.slow for figures in said),
        p50=quantile(latency, 0.5),
        p99=quantile(latency, 0.99),
        topics=_busiest(said),
        processes=[_process(figures) for figures in said],
    )


def busiest(topics: Mapping[str, int], traffic: Mapping[str, int], seconds: float) -> list[Busy]:
    """The topics with most deliveries, then with most clients, of ``topics`` with their number of clients."""
    ranked = sorted(topics, key=lambda topic: (-traffic.get(topic, 0), -topics[topic], topic))
    return [Busy(topic, topics[topic], round(traffic.get(topic, 0) / seconds, 2)) for topic in ranked[:BUSIEST]]


def _process(figures: Figures) -> ProcessFigures:
    return ProcessFigures(
        name=figures.name,
        clients=figures.clients,
        events=figures.events,
        deliveries=figures.deliveries,
        errors=figures.errors,
        lag=figures.lag,
        slow=figures.slow,
        p50=quantile(figures.latency, 0.5),
        p99=quantile(figures.latency, 0.99),
    )


def _busiest(said: Iterable[Figures]) -> list[Busy]:
    clients: Counter[str] = Counter()
    deliveries: dict[str, float] = {}
    for figures in said:
        for busy in figures.busiest:
            clients[busy.topic] += busy.clients
            deliveries[busy.topic] = deliveries.get(busy.topic, 0.0) + busy.deliveries
    ranked = sorted(clients, key=lambda topic: (-deliveries[topic], -clients[topic], topic))
    return [Busy(topic, clients[topic], round(deliveries[topic], 2)) for topic in ranked[:BUSIEST]]


def _sum(parts: Iterable[Mapping[_K, int]]) -> dict[_K, int]:
    total: Counter[_K] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)
