"""The results as a table, a picture and raw figures, with the machine, the versions and what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from bench.picture import bars
from bench.scenarios.fanout import Round, Spread
from bench.statistics import median, ratio

PRODUCT = "the product"
BEGIN, END = "<!-- last results -->", "<!-- end of the last results -->"
COLUMNS = (
    "server",
    "deliveries/s to {small}",
    "p50 / p99 / p99.9, ms",
    "deliveries/s to {large}",
    "p50 / p99 / p99.9, ms",
    "× the product",
    "overload, deliveries/s",
    "CPU per delivery, µs",
    "KB per connection",
    "connects/s",
)


@dataclass
class Part:
    """One result of a scenario of the product alone."""

    when: str
    line: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class Report:
    """Everything that was found, by runs of all scenarios or of one after the other."""

    machine: str = ""
    condition: str = ""  # of the machine, where it was not at rest
    when: str = ""  # the servers were compared
    rounds: dict[str, list[Round]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # on that comparison
    parts: dict[str, list[Part]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Report:
        """What was found before, on whatever machine; nothing, where there is no report."""
        file = folder / "fanout.json"
        return msgspec.json.decode(file.read_bytes(), type=cls) if file.exists() else cls()

    def write(self, folder: Path) -> None:
        """Write ``fanout.md``, ``fanout.svg`` and ``fanout.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "fanout.md").write_text(self.markdown() + "\n")
        (folder / "fanout.svg").write_text(self.picture())
        (folder / "fanout.json").write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")

    def markdown(self) -> str:
        """The whole report."""
        parts = [f"Measured on {self.machine}.", f"**{self.condition}**" if self.condition else ""]
        if self.rounds:
            count = max(map(len, self.rounds.values()))
            of = f"medians of {count} rounds" if count > 1 else "one round"
            parts += [f"Servers beside each other, {self.when}, {of}:", table(self.rounds)]
            parts += [targets_section(self.rounds), _listed(self.notes)]
            parts += ["Versions:", _listed(f"{name}: {text}" for name, text in self.versions.items())]
        parts += [
            f"**{name}**\n\n{_listed(f'{one.line} ({one.when})' for one in found)}"
            for name, found in self.parts.items()
        ]
        return "\n\n".join(part for part in parts if part)

    def picture(self) -> str:
        """Deliveries a second at the largest size, as bars."""
        values = {name: _median(rounds, lambda one: _large(one).rate) for name, rounds in self.rounds.items()}
        clients = max((max(one.spreads) for rounds in self.rounds.values() for one in rounds), default=0)
        return bars(f"Deliveries/s, one event to {clients:,} clients", values, marked=PRODUCT)


def into(page: str, results: str) -> str:
    """Put the results between the marks on a page, in place of the earlier ones."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{results}\n\n{END}{tail}"


def table(rounds: Mapping[str, Sequence[Round]]) -> str:
    """One row a server, medians over the rounds, the fastest last."""
    first = next(iter(rounds.values()))[0]
    sizes = {"small": f"{min(first.spreads):,}", "large": f"{max(first.spreads):,}"}
    lines = [_row(column.format(**sizes) for column in COLUMNS), _row("---" for _ in COLUMNS)]
    ordered = sorted(rounds, key=lambda name: _median(rounds[name], lambda one: _large(one).rate))
    return "\n".join([*lines, *(_row(_cells(name, rounds)) for name in ordered)])


def _cells(name: str, rounds: Mapping[str, Sequence[Round]]) -> Iterable[str]:
    own = rounds[name]
    is_product = name == PRODUCT
    overload = _median(own, lambda one: one.overload)
    against = ratio_of(rounds, PRODUCT, name) if PRODUCT in rounds else 0.0
    yield f"**{name}**" if is_product else name
    yield f"{_median(own, lambda one: _small(one).rate):,.0f}"
    yield _latencies(own, _small)
    yield f"{_median(own, lambda one: _large(one).rate):,.0f}"
    yield _latencies(own, _large)
    yield "1" if is_product else (f"{1 / against:.2f}" if against else "")
    yield f"{overload:,.0f}" if overload else ""
    yield f"{_median(own, lambda one: _large(one).cpu):.1f}"
    yield f"{_median(own, lambda one: one.kilobytes):.1f}"
    yield f"{_median(own, lambda one: one.connects):,.0f}"


@dataclass(frozen=True)
class Target:
    """A figure to reach, and what was."""

    what: str
    wanted: float
    found: float
    at_most: bool = False

    @property
    def is_reached(self) -> bool:
        """Whether it was."""
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted

    def __str__(self) -> str:
        bound = "at most" if self.at_most else "at least"
        return (
            f"| {self.what} | {bound} {self.wanted:g} | {self.found:.2f} | {'yes' if self.is_reached else '**no**'} |"
        )


def targets(rounds: Mapping[str, Sequence[Round]]) -> list[Target]:
    """The figures to be reached (decision 32) that these rounds can tell."""
    found = []
    if PRODUCT not in rounds:
        return []
    against = [
        ("nginx + nchan", 1.2, PRODUCT, _large),
        ("Node ws", 1.3, PRODUCT, _large),
        ("Channels, Daphne, core layer", 70, PRODUCT, _large),
        ("a bare C loop: the limit", 0.55, PRODUCT, _large),
        ("nginx + nchan", 1.0, PRODUCT, _small),
        ("Channels, Daphne, core layer", 40, "the product on Daphne", _large),
    ]
    for peer, wanted, ours, size in against:
        if peer in rounds and ours in rounds:
            clients = size(rounds[ours][0]).clients
            what = f"deliveries/s to {clients:,}, {ours} ÷ {peer}"
            found.append(Target(what, wanted, ratio_of(rounds, ours, peer, size)))
    own = rounds[PRODUCT]
    found.append(Target("one event to all, p99, ms", 80, _median(own, lambda one: _large(one).p99), at_most=True))
    found.append(Target("overload, deliveries/s", 500_000, _median(own, lambda one: one.overload)))
    found.append(Target("KB per connection, one topic", 6, _median(own, lambda one: one.kilobytes), at_most=True))
    found.append(Target("connects/s with JWT and rights", 5_000, _median(own, lambda one: one.connects)))
    return found


def targets_section(rounds: Mapping[str, Sequence[Round]]) -> str:
    """Which targets were reached."""
    lines = ["| target | wanted | found | reached |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *map(str, targets(rounds))])


def ratio_of(rounds: Mapping[str, Sequence[Round]], ours: str, theirs: str, size: Any = None) -> float:
    """How many times as fast, the median over the rounds in which both ran one after the other."""
    pick = size or _large
    return ratio([pick(one).rate for one in rounds[ours]], [pick(one).rate for one in rounds[theirs]])


def _small(one: Round) -> Spread:
    return one.spreads[min(one.spreads)]


def _large(one: Round) -> Spread:
    return one.spreads[max(one.spreads)]


def _median(rounds: Sequence[Round], value: Any) -> float:
    return median([value(one) for one in rounds])


def _latencies(rounds: Sequence[Round], size: Any) -> str:
    parts = (_median(rounds, lambda one, name=name: getattr(size(one), name)) for name in ("p50", "p99", "p999"))
    return " / ".join(f"{part:,.1f}" for part in parts)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
