"""The real server, in processes of its own, on the test database.

Separate from the fixtures so that a test can start two of them, on one port or on two.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from django.db import connection

from config.env import BASE_DIR
from config.launch.server import listen
from config.services.supervised import ServiceError, Supervised, temporary_directory
from config.services.waiting import wait_until

START_TIMEOUT = 60.0

running: set["LiveServer"] = set()
"""The servers that this process has started and not yet closed."""


def database_url() -> str:
    """Return the address of the test database that this process is connected to."""
    config: dict[str, Any] = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{config['NAME']}"
    if str(config["HOST"]).startswith("/"):
        return f"postgresql://{config['USER']}@/{config['HOST']}/{config['NAME']}"
    login = f"{quote(config['USER'])}:{quote(config['PASSWORD'])}"
    return f"postgresql://{login}@{config['HOST']}:{config['PORT'] or 5432}/{config['NAME']}"


def variables(**changes: str) -> dict[str, str]:
    """Return the environment in which another program works on the test database and this run's Redis."""
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": str(BASE_DIR),
        **changes,
    }


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with listen("127.0.0.1", 0) as listener:
        port: int = listener.getsockname()[1]
        return port


class LiveServer:
    """``workers`` uvicorn processes behind one port. Use as a context manager.

    ``environment`` is what it has different from this process, or, with ``installation``, all it has: then it need not
    be on the test database. ``within`` is a command that it is started by, as one that enters a network.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        port: int = 0,
        host: str = "127.0.0.1",
        environment: Mapping[str, str] | None = None,
        installation: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        within: Sequence[str] = (),
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://{host}:{self.port}"
        self.ws_url = f"ws://{host}:{self.port}"
        self.pid = 0
        self._within = within
        self._options = ["--workers", str(workers), "--host", host, "--port", str(self.port), *options]
        self._environment = variables(**(environment or {})) if installation is None else dict(installation)
        self._process: Supervised | None = None

    def start(self) -> Self:
        """Start it and return once it answers."""
        command = [*self._within, sys.executable, *self.arguments()]
        self._process = Supervised(command, temporary_directory(), temporary=True, environment=self._environment)
        self.pid = self._process.start()
        wait_until(self._is_ready, START_TIMEOUT, lambda: f"the server did not start\n{self.log()}")
        running.add(self)
        return self

    def arguments(self) -> list[str]:
        """Return what follows ``python`` to start it."""
        return ["-m", "config.launch", "serve", "--drain", "1", *self._options]

    def stop(self) -> None:
        """End it as an operator would, waiting for it."""
        self._running.stop(signal.SIGTERM)

    def kill(self) -> None:
        """End all of its processes at once, without a word."""
        self._running.send(signal.SIGKILL)

    def close(self) -> None:
        """End it, if it still runs, and forget what it printed."""
        running.discard(self)  # whatever becomes of the waiting for it: its end is under way
        if self._process is not None:
            self._process.close()
            self._process = None

    @property
    def is_running(self) -> bool:
        """Whether what was started is there still; of several processes, the first."""
        return self._running.send(signal.SIGCONT)

    def log(self) -> str:
        """Return everything that it printed."""
        path: Path = self._running.log
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def _running(self) -> Supervised:
        if self._process is None:
            raise ServiceError("this server was not started, or is closed")
        return self._process

    def _is_ready(self) -> bool:
        if not self.is_running:
            raise ServiceError(f"the server ended at once\n{self.log()}")
        return self._serves()

    def _serves(self) -> bool:
        return "ready http" in self.log()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SilentServer(LiveServer):
    """A server that does not say when it is ready, and so is asked."""

    def _serves(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
