"""What the records of the load generator say: how long each event took to everybody, and whether any is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.load.pool import Records
from bench.statistics import quantile


@dataclass(frozen=True)
class Fanout:
    """One event to many. Times in seconds; ``first`` and ``last`` since it was published."""

    count: int
    first: float
    last: float
    latencies: Sequence[float]  # sorted

    @property
    def rate(self) -> float:
        """Deliveries a second, from publishing to the last arrival."""
        return self.count / self.last if self.last else 0.0

    @property
    def stride(self) -> float:
        """Deliveries a second once it has begun: from the first arrival to the last."""
        return (self.count - 1) / (self.last - self.first) if self.last > self.first else 0.0

    def at(self, share: float) -> float:
        """The latency that this share of the deliveries did not exceed."""
        return quantile(self.latencies, share)


def by_event(records: Records, published: Mapping[int, float]) -> dict[int, Fanout]:
    """Return each published event's way, from when it was published."""
    times: dict[int, list[float]] = {mark: [] for mark in published}
    for at, mark in zip(records.at, records.mark, strict=True):
        if mark in times:
            times[mark].append(at - published[mark])
    return {mark: _fanout(sorted(found)) for mark, found in times.items()}


def latencies(records: Records, published: Mapping[int, float]) -> list[float]:
    """Return how long every delivery of these events took, sorted."""
    pairs = zip(records.at, records.mark, strict=True)
    return sorted(at - published[mark] for at, mark in pairs if mark in published)


@dataclass(frozen=True)
class Faults:
    """What must all be nought."""

    missing: int
    doubled: int
    out_of_order: int

    def __bool__(self) -> bool:
        return bool(self.missing or self.doubled or self.out_of_order)


def faults(records: Records, wanted: Mapping[int, Sequence[int]]) -> Faults:
    """Compare what came with ``wanted``: the marks that each connection should have got, in that order."""
    came: dict[int, list[int]] = {}
    for connection, mark in zip(records.connection, records.mark, strict=True):
        came.setdefault(connection, []).append(mark)
    missing = doubled = out_of_order = 0
    for connection, marks in wanted.items():
        got = came.get(connection, [])
        if got == list(marks):
            continue
        counts = Counter(got)
        places = {mark: place for place, mark in enumerate(marks)}
        missing += sum(mark not in counts for mark in marks)
        doubled += sum(number - 1 for mark, number in counts.items() if mark in places)
        known = [places[mark] for mark in got if mark in places]
        out_of_order += sum(later < earlier for earlier, later in pairwise(known))
    return Faults(missing, doubled, out_of_order)


def _fanout(times: list[float]) -> Fanout:
    return Fanout(len(times), times[0], times[-1], times) if times else Fanout(0, 0.0, 0.0, [])
