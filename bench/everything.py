"""``python3 run.py bench [fanout]``: every scenario, the product beside its peers, and a report of it.

Each server runs alone on the first core; the load, the database, Redis and whoever saves have the others.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench.load.native import compiler
from bench.machine import TOOLS, busy, cores, describe, most_connections, on_core
from bench.peers.bare import Bare
from bench.peers.nchan import Nchan, NchanStreams
from bench.peers.node import SocketIo, Ws
from bench.peers.plain_channels import OnDaphne as ChannelsOnDaphne
from bench.peers.plain_channels import OnUvicorn as ChannelsOnUvicorn
from bench.peers.server import Server
from bench.product import OnDaphne, Product, Streams, project
from bench.report import Part, Report, into
from bench.scenarios import fanout
from bench.scenarios.fanout import Size
from bench.servers import DATABASES
from config.services.supervised import ServiceError

RESULTS = Path(__file__).with_name("results")
README = Path(__file__).with_name("README.md")
FULL = 10_000  # clients of a result; with fewer it is a look
MEMBERS = 4
SCENARIOS = ("connects", "peers", "streams", "families", "storm", "mixed", "polling", "growth", "postgresql")
PEERS: dict[str, Callable[[], Server]] = {
    "bare": Bare,
    "nchan": Nchan,
    "ws": Ws,
    "socket.io": SocketIo,
    "channels-uvicorn": ChannelsOnUvicorn,
    "channels-daphne": ChannelsOnDaphne,
}
PRODUCTS: dict[str, Callable[[Any], Server]] = {"product": Product, "product-daphne": OnDaphne}


def main(arguments: list[str]) -> None:
    """Run the scenarios that are named, or all, and put what they find into the report."""
    options = _options(arguments)
    most = most_connections(2_000 if options.quick else options.clients)
    if len(cores()["all"]) < 2:
        print("ONLY ONE CORE: server and load share it, and no figure means much", file=sys.stderr)
    is_look = options.quick or options.servers or options.part or most < FULL
    folder = TOOLS / "look" if is_look else RESULTS
    report = Report() if is_look else Report.read(folder)
    report.machine = describe()
    report.condition = busy()
    if report.condition:
        print(report.condition.upper(), file=sys.stderr)
    with project(options.database):
        from bench import crowd

        people = crowd.make(most // MEMBERS, MEMBERS)
        for name in options.scenarios or SCENARIOS:
            begin = time.monotonic()
            RUN[name](people, options, report)
            print(f"({name}: {time.monotonic() - begin:.0f} s)", flush=True)
            _keep(report, folder)
    if options.part:
        print(msgspec.json.encode(report.parts).decode())
        return
    print(f"\n{report.markdown()}\n\nwritten to {folder}")


def _keep(report: Report, folder: Path) -> None:
    """Write what was found so far: a run that is broken off has not been in vain."""
    report.write(folder)
    if folder == RESULTS:
        README.write_text(into(README.read_text(), report.markdown()))


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench fanout", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], help="which; all of them by default")
    parser.add_argument("--quick", action="store_true", help="2,000 clients and one round: a look, not a result")
    parser.add_argument("--servers", nargs="+", choices=[*PEERS, *PRODUCTS], help="of the scenario peers; else all")
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--rate", type=float, default=1000, help="saves a second that the families scenario tries")
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)  # of a run of another process
    return parser.parse_args(arguments)


def _peers(people: Any, options: argparse.Namespace, report: Report) -> None:
    small, large = (200, len(people.users)) if options.quick else (1_000, len(people.users))
    sizes = [Size(small, 20), Size(large, 5 if options.quick else 20)]
    makes = PEERS | {name: partial(make, people) for name, make in PRODUCTS.items()}
    makes = {name: make for name, make in makes.items() if name in (options.servers or makes)}
    rounds = 1 if options.quick else options.rounds
    report.when = now()
    report.rounds, report.versions = fanout.compare(list(makes.values()), sizes, rounds)
    report.notes = [] if compiler() else ["No C compiler: the load generator ran in Python, and no bare loop."]
    report.notes += [
        f"{name}: {one.missing} deliveries missing" + (f" of one event to {one.clients:,}" if one.clients else "")
        for name, rounds in report.rounds.items()
        for each in rounds
        for one in each.spreads.values()
        if one.missing
    ]
    if limit := report.rounds.get(Bare.name):
        busy = max(one.load_busy for each in limit for one in each.spreads.values())
        report.notes.append(f"Beside the bare loop, the load generator used {busy:.0%} of its core at most.")


def _streams(people: Any, options: argparse.Namespace, report: Report) -> None:
    """The same events by SSE, beside nchan's."""
    sizes = [Size(200, 20), Size(1_000, 20)] if options.quick else [Size(1_000, 20), Size(len(people.users), 20)]
    makes: list[Callable[[], Server]] = [partial(Streams, people), NchanStreams]
    found, _ = fanout.compare(makes, sizes, 1 if options.quick else options.rounds)
    parts = [Part(now(), fanout.summary(name, one), msgspec.to_builtins(one)) for name in found for one in found[name]]
    report.parts["Server-sent events"] = parts


def _connects(people: Any, options: argparse.Namespace, report: Report) -> None:
    from bench.scenarios import connects

    for topics in connects.TOPICS:
        _add(report, f"Connects, {topics}", partial(connects.measure, people, topics))


def _families(people: Any, options: argparse.Namespace, report: Report) -> None:
    from bench.scenarios import families

    seconds = 3 if options.quick else 10
    _add(report, "From save to socket", lambda: families.measure(people, options.database, options.rate, seconds))


def _storm(people: Any, options: argparse.Namespace, report: Report) -> None:
    from bench.scenarios import storm

    _add(report, "Reconnect storm", lambda: storm.measure(people, 100 if options.quick else 500))


def _mixed(people: Any, options: argparse.Namespace, report: Report) -> None:
    from bench.scenarios import mixed

    half = len(people.users) // 2
    _add(report, "Mixed transports", lambda: mixed.measure(people, half, half, 12 if options.quick else 40))


def _polling(people: Any, options: argparse.Namespace, report: Report) -> None:
    from bench.scenarios import polling

    _add(report, "Polling", lambda: polling.measure(people, 3 if options.quick else 5))


def _growth(people: Any, options: argparse.Namespace, report: Report) -> None:
    from bench.scenarios import growth

    most = len(people.users)
    steps, floods = [most // 8, most // 4, most // 2, most], [50, 100, 200, 400]
    _add(report, "Growth of cost", lambda: growth.measure(people, steps, floods))


def _postgresql(people: Any, options: argparse.Namespace, report: Report) -> None:
    """The families again, in a process of its own: Django knows one database per process."""
    command = [sys.executable, "-m", "bench", "fanout", "families", "--part", "--database", "postgresql"]
    command += ["--clients", str(len(people.users)), "--rate", str(options.rate), *["--quick"] * options.quick]
    with on_core("all"):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print("SKIPPED PostgreSQL: see above", file=sys.stderr)
        return
    found = msgspec.json.decode(done.stdout.splitlines()[-1], type=dict[str, list[Part]])
    for name, parts in found.items():
        report.parts[f"{name}, PostgreSQL"] = parts
        print("\n".join(f"{name}: {part.line}" for part in parts), flush=True)


def _add(report: Report, name: str, measured: Callable[[], Any]) -> None:
    """Run a scenario of the product alone; what fails is said, and the others go on."""
    try:
        result = measured()
        part = Part(now(), str(result), msgspec.to_builtins(result))
    except (fanout.Refused, ServiceError, AssertionError, OSError, EOFError) as error:
        part = Part(now(), f"FAILED: {error}")
    print(f"{name}: {part.line}", file=sys.stderr, flush=True)
    report.parts[name] = [part]


def now() -> str:
    """The time, as the report has it."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


RUN: dict[str, Callable[[Any, argparse.Namespace, Report], None]] = {
    "connects": _connects,
    "peers": _peers,
    "streams": _streams,
    "families": _families,
    "storm": _storm,
    "mixed": _mixed,
    "polling": _polling,
    "growth": _growth,
    "postgresql": _postgresql,
}
