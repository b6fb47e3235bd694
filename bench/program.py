"""A server that is measured: started on the server's core, watched from outside, ended as a whole."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from signal import SIGCONT, SIGTERM, Signals

from bench.machine import on_core
from config.env import BASE_DIR
from config.services.supervised import ServiceError, Supervised, temporary_directory
from config.services.waiting import wait_until

START_TIMEOUT = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


class Program:
    """One server process with its children. Ends with ``stop()`` or with this process."""

    def __init__(self, command: Sequence[str], port: int, environment: Mapping[str, str] | None = None) -> None:
        with on_core("server"):
            self._process = Supervised(
                command,
                temporary_directory(),
                temporary=True,
                environment={**os.environ, "PYTHONPATH": str(BASE_DIR), **(environment or {})},
            )
            self.pid = self._process.start()
        try:
            wait_until(lambda: self._answers(port), START_TIMEOUT, lambda: f"did not start\n{self._process.tail()}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, kindly at first."""
        self._process.stop(SIGTERM)
        self._process.close()

    def send(self, signum: Signals) -> None:
        """Send it a signal."""
        self._process.send(signum)

    def log(self) -> str:
        """The last lines of what it printed."""
        return self._process.tail()

    def memory(self) -> int:
        """Bytes of it and its children, each shared page counted in its share (PSS)."""
        return sum(_pss(pid) for pid in self.family())

    def cpu(self) -> float:
        """Seconds of the processor that it and its children took."""
        return sum(sum(user_and_system(pid)) for pid in self.family())

    def family(self) -> list[int]:
        """Its process and all that come of it."""
        return list(_descendants(self.pid))

    def _answers(self, port: int) -> bool:
        if not self._process.send(SIGCONT):
            raise ServiceError(f"ended at once\n{self._process.tail()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _descendants(int(child))


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def user_and_system(pid: int) -> tuple[float, float]:
    """Seconds that a process has spent in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS
