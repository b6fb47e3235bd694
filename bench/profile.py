"""Where a delivery's microseconds go: one worker under events without end, watched from outside and from inside.

From outside, ``perf`` where there is one says which share is the kernel's, the interpreter's and uvloop's, and
``/proc`` says it roughly where there is none. From inside, cProfile says which functions of the product are called
and what they take; under it everything is slower, so only its proportions mean something.
"""

from __future__ import annotations

import argparse
import io
import pstats
import shutil
import subprocess
import sys
import time
from pathlib import Path
from signal import SIGUSR1
from tempfile import TemporaryDirectory

from bench.load.generator import Load
from bench.machine import describe, most_connections, on_core
from bench.product import Product, project
from bench.program import Program, user_and_system
from bench.scenarios.fanout import settle

PATIENCE = 60.0
ROWS = 25


def main(arguments: list[str]) -> None:
    """Profile the fan-out to so many clients."""
    parser = argparse.ArgumentParser(prog="bench profile", description=__doc__)
    parser.add_argument("--clients", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args(arguments)
    clients = most_connections(options.clients)
    with project(), TemporaryDirectory() as folder:
        from bench import crowd

        people = crowd.make(clients // 4, 4)
        print(f"{describe()}; one event after the other to {clients:,} clients with one topic each\n")
        outside(Product(people), clients, options.seconds, Path(folder))
        inside(Profiled(people, Path(folder) / "profile"), clients, options.seconds)


class Profiled(Product):
    """The product's worker under cProfile, without the process above it."""

    def __init__(self, people: object, target: Path) -> None:
        super().__init__(people)  # type: ignore[arg-type]
        self.target = target

    def start(self) -> Program:
        command = [sys.executable, "-m", "bench.profiled", str(self.port), str(self.target)]
        return Program(command, self.port, self.environment())


def outside(server: Product, clients: int, seconds: float, folder: Path) -> None:
    """Print the shares by library and by symbol."""
    with on_core("load"), server, Load(server.port, room=clients) as load:
        load.open(server.requests(clients), greetings=1)
        settle(server)
        perf = _perf(server.program, folder / "perf", seconds)
        user, system = times(server.program)
        deliveries = tell(server, load, clients, seconds)
        after = times(server.program)
        user, system = after[0] - user, after[1] - system
        print(
            f"{deliveries:,} deliveries: {(user + system) / deliveries * 1e6:.2f} µs of the processor each, "
            f"{system / (user + system):.0%} of it in the kernel\n"
        )
        if perf is None:
            print("no perf here: no shares by library and symbol\n")
            return
        perf.wait()
    for key in ("dso", "symbol"):
        print(_perf_report(folder / "perf", key))


def inside(server: Profiled, clients: int, seconds: float) -> None:
    """Print the functions that take most."""
    with on_core("load"), server, Load(server.port, room=clients) as load:
        load.open(server.requests(clients), greetings=1)
        settle(server)
        server.program.send(SIGUSR1)  # from here on
        tell(server, load, clients, seconds)
    text = io.StringIO()
    pstats.Stats(str(server.target), stream=text).strip_dirs().sort_stats("tottime").print_stats(ROWS)
    print("\n".join(line for line in text.getvalue().splitlines() if line.strip()))


def tell(server: Product, load: Load, clients: int, seconds: float) -> int:
    """Publish one event after the other; return how many deliveries that were."""
    end, mark, begun = time.monotonic() + seconds, 0, load.state().counters.marks
    while time.monotonic() < end:
        mark += 1
        server.publish(load, [mark])
        load.wait(begun + mark * clients, PATIENCE)
    return load.state().counters.marks - begun


def times(program: Program) -> tuple[float, float]:
    """Seconds in user mode and in the kernel, of the program and its children."""
    pairs = [user_and_system(pid) for pid in program.family()]
    return sum(user for user, _ in pairs), sum(system for _, system in pairs)


def _perf(program: Program, target: Path, seconds: float) -> subprocess.Popen[bytes] | None:
    if not shutil.which("perf"):
        return None
    pids = ",".join(map(str, program.family()))
    command = ["perf", "record", "-q", "-F", "999", "-o", str(target), "-p", pids, "--", "sleep", str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _perf_report(target: Path, key: str) -> str:
    command = ["perf", "report", "-i", str(target), "--stdio", "--no-children", "--sort", key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line.strip(" -") for line in done.stdout.splitlines() if line.strip() and not line.startswith("#")]
    if done.returncode or not lines:
        return f"perf could not say: {done.stderr.strip()[:200]}\n"
    return f"by {key}:\n" + "\n".join(f"  {line}" for line in lines[:ROWS]) + "\n"
