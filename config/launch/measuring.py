"""Where the workers of one server keep what they measure, so that each of them can tell it of all.

A file for each worker and kind of number, named after the worker's place: whoever takes the place of a dead one goes
on with its counters, and no number of deaths fills a disk.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname

from prometheus_client import multiprocess, values

from config import env

HOME = env.BASE_DIR / "var" / "metrics"
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def together() -> Iterator[None]:
    """Have the processes started in the block keep their numbers in one place."""
    directory = _directory()
    env.adopt({VARIABLE: str(directory)})
    try:
        yield
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def take_place(place: int) -> None:
    """Be the worker of that place, before anything is measured. Harmless where nobody is to tell of all."""
    if VARIABLE in env.variables():
        values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]


def leave_place(place: int) -> None:
    """Forget how many of a thing a dead worker had; what it counted stays."""
    if VARIABLE in env.variables():
        multiprocess.mark_process_dead(place)  # type: ignore[no-untyped-call]


def _directory() -> Path:
    """A new directory, below the checkout if that may be written to. What killed servers left there is removed."""
    try:
        HOME.mkdir(parents=True, exist_ok=True)
        for left in HOME.glob(f"{gethostname()}-*"):
            if not Path(f"/proc/{left.name.rpartition('-')[2]}").exists():
                shutil.rmtree(left, ignore_errors=True)
        directory = HOME / f"{gethostname()}-{os.getpid()}"
        directory.mkdir(exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="realtime-metrics-"))
    return directory
