"""What the product holds: memory, threads, file handles and database connections, before a fault and after it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.faults.rig import WORKERS, Rig

MEGABYTES_MORE = 40  # that all workers together may have grown by: caches, tails, and Python's own keeping
MOST_THREADS = 18  # of one worker: its pools start threads as they need them, and keep them
HANDLES_MORE = 12


class Resources(NamedTuple):
    """Of all workers together."""

    megabytes: float
    threads: int
    handles: int
    connections: int

    def excess(self, before: Resources, *, most_connections: int) -> list[str]:
        """What is more than it was, beyond what a pool or a cache may keep."""
        bounds = {
            "megabytes": before.megabytes + MEGABYTES_MORE,
            "threads": max(before.threads, WORKERS * MOST_THREADS),
            "handles": before.handles + HANDLES_MORE,
            "connections": max(before.connections, most_connections),
        }
        return [
            f"{name}: {getattr(self, name):g} after {getattr(before, name):g}"
            for name, most in bounds.items()
            if getattr(self, name) > most
        ]


def measure(rig: Rig) -> Resources:
    """Look at the workers as the kernel sees them, and ask the database."""
    workers = rig.workers()
    return Resources(
        round(sum(_status(pid, "VmRSS") for pid in workers) / 1024, 1),
        sum(_status(pid, "Threads") for pid in workers),
        sum(_handles(pid) for pid in workers),
        rig.tables.connections(),
    )


def _status(pid: int, name: str) -> int:
    with suppress(OSError):
        found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0


def _handles(pid: int) -> int:
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0
