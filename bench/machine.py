"""The machine that measures: its cores, its limits, and what it is called in a report."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.env import BASE_DIR

TOOLS = BASE_DIR / ".tools" / "bench"
"""What is fetched or compiled in order to measure. Deleting it costs only the time to do so again."""

GIVEN = os.sched_getaffinity(0)
"""The cores that this process was given when it began: it may have confined itself since."""

BUSY = 0.5  # of every core

SPARE = 500  # descriptors that a program needs beside its clients'


def cores() -> dict[str, set[int]]:
    """Which cores the server and the load have: the first for the server, the others for the rest."""
    first, *others = sorted(GIVEN)
    return {"server": {first}, "load": set(others) or {first}, "all": set(GIVEN)}


@contextmanager
def on_core(role: str) -> Iterator[None]:
    """Run this thread, and what it starts, on the cores of ``role``; as ``taskset`` does."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores()[role])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def most_connections(wanted: int) -> int:
    """Raise the limit on open files as far as it goes; return how many of the wanted connections it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = hard if hard != resource.RLIM_INFINITY else wanted + SPARE
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(limit, wanted + SPARE)), hard))
    possible = min(wanted, limit - SPARE)
    if possible < wanted:
        print(f"ONLY {possible} of {wanted} connections: the limit on open files is {limit}", file=sys.stderr)
    return possible


def describe() -> str:
    """The machine in one line."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{len(GIVEN)} × {_processor()}, {gigabytes:.0f} GB, Linux {kernel}"


def busy() -> str:
    """What to say when others use the machine too; nothing when they do not."""
    load = os.getloadavg()[0]
    if load < BUSY * len(GIVEN):
        return ""
    return (
        f"The machine was busy before the run began: a load of {load:.1f} on {len(GIVEN)} cores. A look, not a result."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
