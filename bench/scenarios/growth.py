"""How the cost grows: with subscribers (linear), with topics (flat), with events (linear)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.crowd import Crowd
from bench.load.arrivals import by_event, latencies
from bench.load.generator import Load
from bench.machine import on_core
from bench.product import USUAL_TOPICS, Product
from bench.scenarios.families import Saved
from bench.scenarios.fanout import flood, settle
from bench.statistics import median, quantile, slope

PATIENCE = 30.0
EVENTS = 10  # to everybody, at each step
SAVES = 50  # each seen by one family


@dataclass(frozen=True)
class Growth:
    """Milliseconds at each step: (how many, how long)."""

    subscribers: list[tuple[float, float]]  # clients; one event until the last of them has it
    topics: list[tuple[float, float]]  # topics with clients on them; one save until its family has it
    events: list[tuple[float, float]]  # events at once to the first step's clients; until the last has come

    def __str__(self) -> str:
        return "; ".join(
            f"{name} "
            + ", ".join(f"{count:,.0f}: {value:.1f} ms" for count, value in points)
            + f" (exponent {slope(points):.2f})"
            for name, points in (("subscribers", self.subscribers), ("topics", self.topics), ("events", self.events))
        )


def measure(crowd: Crowd, steps: Sequence[int], floods: Sequence[int]) -> Growth:
    """Connect more and more of the crowd, and measure the same things at each step."""
    each = len(crowd.users) // len(crowd.families)
    found = Growth([], [], [])
    saved = Saved(crowd)
    with on_core("load"), Product(crowd, topics=USUAL_TOPICS) as server, Load(server.port, room=steps[-1]) as load:
        connected = 0
        for step in steps:
            load.open(server.requests(step - connected), greetings=1)
            connected = step
            settle(server)
            found.subscribers.append((step, _to_all(server, load, step)))
            # One topic of each client's own, one of each family, one of all.
            found.topics.append((step + step // each + 1, _to_families(load, saved, step // each)))
            if step == steps[0]:
                for events in floods:
                    rate, wrong = flood(server, load, step, events)
                    assert not wrong, wrong
                    found.events.append((events, step * events / rate * 1000))
    return found


def _to_all(server: Product, load: Load, clients: int) -> float:
    load.records()
    published = {}
    for mark in range(1, EVENTS + 1):
        before = load.state().counters.marks
        published |= server.publish(load, [mark])
        load.wait(before + clients, PATIENCE)
    return median([way.last - way.first for way in by_event(load.records(), published).values()]) * 1000


def _to_families(load: Load, saved: Saved, families: int) -> float:
    load.records()
    began = {}
    for number in range(SAVES):
        mark = saved.first + len(saved.began)
        before = load.state().counters.marks
        family = number * families // SAVES
        saved.one(mark, family)
        began[mark] = saved.began[mark]
        load.wait(before + saved.members(family), PATIENCE)
    return quantile(latencies(load.records(), began), 0.5) * 1000
