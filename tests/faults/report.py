"""What was survived, as a table for people and as JSON for programs, in var/faults; and the page that is kept of it.

A run of some faults leaves what is known of the others as it was, so that the whole can be tried in pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from config.env import BASE_DIR
from tests.faults.checker import tally
from tests.faults.play import Result
from tests.faults.registry import SCENARIOS

HOME = BASE_DIR / "var" / "faults"
PAGE = BASE_DIR / "docs" / "faults.md"
KEPT = "report.json"
MOST_SHOWN = 10
KINDS = ("lost", "doubled", "reordered", "phantom", "leaked", "close")
HEAD = (
    "| fault | survived | clients | writes | refused | events | lost | doubled | reordered | phantom | leaked "
    "| unexplained ends | seconds to heal | MB, threads, handles, connections |"
)
INTRODUCTION = """# What was broken, and what it survived

The last results of `python3 run.py faults`, which writes this page with `--page`. [What is promised](guarantees.md)
says what is judged. Each fault is struck under steady writes, by {clients} clients or more on all transports; *refused*
are REST writes that were not answered by success, *events* what all clients together were sent. An *unexplained end* is
a connection that ended, or was refused, in a way that the fault does not account for. *Seconds to heal* go from the end
of the fault until a write made after it has reached every client, a poll's second of waiting included. What the workers
hold is before → after.

"""


def keep(result: Result) -> None:
    """Add a result to what is known."""
    HOME.mkdir(parents=True, exist_ok=True)
    known = {each["name"]: each for each in _known()} | {result.name: _json(result)}
    every = [known[name] for name in SCENARIOS if name in known]
    (HOME / KEPT).write_text(json.dumps(every, indent=1))
    (HOME / "report.md").write_text(table(every))


def write_page() -> None:
    """Write the page that is kept, from what is known of all faults."""
    every = _known()
    PAGE.write_text(
        INTRODUCTION.format(clients=min(each["clients"] for each in every)) + table(every) + _behind_the_table()
    )


def _behind_the_table() -> str:
    """What was written by hand of the machine and the day."""
    kept = PAGE.read_text() if PAGE.exists() else ""
    return kept.rpartition("|\n")[2]


def _known() -> list[dict[str, Any]]:
    known: list[dict[str, Any]] = json.loads((HOME / KEPT).read_text()) if (HOME / KEPT).exists() else []
    return known


def keep_log(name: str, text: str) -> None:
    """Keep what the server printed, for who wants to know why."""
    HOME.mkdir(parents=True, exist_ok=True)
    (HOME / f"{name}.log").write_text(text)


def table(results: Iterable[Mapping[str, Any]]) -> str:
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


def _row(result: Mapping[str, Any]) -> str:
    held = " → ".join("/".join(f"{n:g}" for n in result[when].values()) for when in ("before", "after"))
    cells = [
        f"`{result['name']}`: {result['what']}",
        "yes" if result["survived"] else "**no**",
        *(result[name] for name in ("clients", "writes", "refused", "events")),
        *(result["found"].get(kind, 0) for kind in KINDS),
        "never" if result["seconds_to_heal"] is None else result["seconds_to_heal"],
        held,
    ]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _json(result: Result) -> dict[str, Any]:
    held = {"before": result.before._asdict(), "after": result.after._asdict()}
    anomalies = [each._asdict() for each in result.anomalies]
    more = {"survived": result.survived, "found": tally(result.anomalies), "anomalies": anomalies}
    return asdict(result) | held | more
