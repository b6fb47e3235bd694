"""The owner's end of a supervisor: one server process to start, signal and stop.

Separate from the supervisor, which must not import the project.
"""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

SUPERVISOR = Path(__file__).with_name("supervisor.py")
LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes; leave some for the server's own suffix
GRACE = 10.0


class ServiceError(Exception):
    """A server that would not start, or that is not there to be spoken to."""


class DirectoryInUse(ServiceError):
    """Another process already runs a server in this directory."""


class Supervised:
    """One server under a supervisor. Ends with this process or with ``close()``; any thread may use it."""

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        *,
        temporary: bool,
        stop_signal: signal.Signals = signal.SIGTERM,
        owner: tuple[int, int] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = directory / "log"
        self._lock = threading.Lock()
        user_id, group_id = owner or (None, None)
        spec = {
            "command": list(command),
            "directory": str(directory),
            "log": str(self.log),
            "temporary": temporary,
            "stop_signal": int(stop_signal),
            "grace": GRACE,
            "user_id": user_id,
            "group_id": group_id,
            "environment": None if environment is None else dict(environment),
        }
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        # Not as an argument, which everyone on the machine may read: the environment holds keys.
        if self._order(json.dumps(spec)) != "ready":
            self.close()
            raise DirectoryInUse(f"{directory} is in use by another process of this checkout")

    def start(self) -> int:
        """Start the server unless it runs, and return its process id."""
        word, number = self._order("start").split(maxsplit=1)
        if word != "started":
            raise ServiceError(f"the server did not start: {number}")
        return int(number)

    def send(self, signum: signal.Signals) -> bool:
        """Send ``signum``; return whether there was a process to send it to. SIGKILL is waited for."""
        return self._order(f"signal {int(signum)}") == "sent"

    def stop(self, signum: signal.Signals) -> None:
        """Ask the server to end by ``signum``, wait for it, kill it when it takes too long."""
        self._order(f"stop {int(signum)}")

    def close(self) -> None:
        """End server and supervisor, and with a temporary directory that too."""
        assert self._supervisor.stdin
        assert self._supervisor.stdout
        with contextlib.suppress(BrokenPipeError):  # an order that a dead supervisor never took
            self._supervisor.stdin.close()
        self._supervisor.wait()
        self._supervisor.stdout.close()

    def tail(self) -> str:
        """Return the last lines of what the server printed."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-10:])

    def _order(self, line: str) -> str:
        with self._lock:
            assert self._supervisor.stdin
            try:
                self._supervisor.stdin.write(f"{line}\n")
                self._supervisor.stdin.flush()
            except (BrokenPipeError, ValueError) as error:
                raise ServiceError("the server's supervisor has ended") from error
            answer = self._read()
        if answer.startswith("error "):
            raise ServiceError(f"the server did not start: {answer.removeprefix('error ')}")
        return answer

    def _read(self) -> str:
        assert self._supervisor.stdout
        line = self._supervisor.stdout.readline()
        if not line:
            raise ServiceError("the server's supervisor has ended")
        return line.strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def temporary_directory() -> Path:
    """Make a private directory whose path is short enough for a socket in it."""
    for parent in (None, "/tmp"):  # noqa: S108  (mkdtemp makes it private)
        directory = Path(tempfile.mkdtemp(prefix="rtl-", dir=parent))
        if len(str(directory)) < LONGEST_SOCKET_PATH - 20:
            return directory
        directory.rmdir()
    raise ServiceError("no temporary directory with a path short enough for a socket; set TMPDIR=/tmp")
