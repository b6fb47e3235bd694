"""What was survived, as a table for people and as JSON for programs, in var/faults."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from config.env import BASE_DIR
from tests.faults.checker import tally
from tests.faults.play import Result

HOME = BASE_DIR / "var" / "faults"
MOST_SHOWN = 10
HEAD = (
    "| fault | survived | clients | writes | refused | events | lost | doubled | reordered | phantom | leaked "
    "| unexplained ends | seconds to heal | MB, threads, handles, connections before → after |"
)


def write(results: Sequence[Result]) -> None:
    """Write both, and print the table."""
    HOME.mkdir(parents=True, exist_ok=True)
    text = table(results)
    (HOME / "report.md").write_text(text)
    (HOME / "report.json").write_text(json.dumps([_json(result) for result in results], indent=1))
    print(f"\n{text}\nwritten to {HOME / 'report.md'} and report.json")


def table(results: Sequence[Result]) -> str:
    """The table, in Markdown."""
    columns = HEAD.count("|") - 1
    return "\n".join([HEAD, "|" + "---|" * columns, *(_row(result) for result in results)]) + "\n"


def line(result: Result) -> str:
    """One result in a line, and what was wrong below it."""
    heal = "never" if result.seconds_to_heal is None else f"{result.seconds_to_heal} s"
    words = f"{'survived' if result.survived else 'FAILED'} {tally(result.anomalies) or ''}"
    head = f"    {words}: {result.writes} writes, {result.events} events, healed in {heal}, took {result.seconds} s"
    ends = f"    ends: {result.ends}, refused writes: {result.refused}"
    shown = [f"      {each.kind} {each.whom}: {each.what}" for each in result.anomalies[:MOST_SHOWN]]
    return "\n".join([head, ends, *shown])


def _row(result: Result) -> str:
    found = tally(result.anomalies)
    counts = [found.get(kind, 0) for kind in ("lost", "doubled", "reordered", "phantom", "leaked", "close")]
    heal = "never" if result.seconds_to_heal is None else result.seconds_to_heal
    held = f"{'/'.join(f'{n:g}' for n in result.before)} → {'/'.join(f'{n:g}' for n in result.after)}"
    cells = [
        f"`{result.name}`",
        "yes" if result.survived else "**no**",
        result.clients,
        result.writes,
        result.refused,
        result.events,
        *counts,
        heal,
        held,
    ]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _json(result: Result) -> dict[str, object]:
    return asdict(result) | {
        "survived": result.survived,
        "before": result.before._asdict(),
        "after": result.after._asdict(),
    }
