"""The product as an operator installs it, with a database and a Redis of its own, to be broken.

Started as ``run.py serve`` starts it, in a network of its own where this machine allows one.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psycopg

from bench.load import native
from config.env import BASE_DIR
from config.launch.programs import MANAGE
from config.services.postgres import PostgresServer
from config.services.redis import RedisServer
from config.services.supervised import temporary_directory
from config.services.waiting import wait_until
from tests.faults import plants
from tests.faults.network import REDIS_PORT, Network, best
from tests.faults.proxy import TcpProxy
from tests.faults.tables import Tables, address_of
from tests.faults.world import World
from tests.live import LiveServer
from tests.processes import workers_of
from tests.servers import CROWD

WORKERS = 2
PORT = 8000
POOL = 6
DRAIN_SECONDS = 3
HEALTHY_WITHIN = 60.0
CONNECT_SECONDS = 2.0
NAME = "ledger"
CLOCK = Path(__file__).with_name("clock.c")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How the installation differs from the usual one. Scenarios of equal setups share one."""

    database: str = "postgresql"
    disk_megabytes: int = 0  # of a disk of its own for SQLite
    handles: int = 0  # that each process may have open; 0: as many as it likes
    has_own_clock: bool = False  # which can be set wrong


class Rig:
    """One installation, into which a fault of ``plants`` may be planted. Use as a context manager."""

    def __init__(self, setup: Setup, *, plant: str = "") -> None:
        self.setup = setup
        self._plant = plant
        self.network: Network = best()
        self.held: list[socket.socket] = []  # what a fault has in its hands until it heals
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self) -> None:
        self._stack.enter_context(self.network)
        self.directory = temporary_directory()
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.redis = self._stack.enter_context(
            RedisServer(port=REDIS_PORT, within=self.network.within) if self.network.within else RedisServer()
        )
        self._redis_line = None if self.network.within else self._stack.enter_context(TcpProxy(self.redis.socket))
        self.database_url = self._database()
        self.tables = Tables(self.database_url)
        self.variables = self._variables()
        self.manage("migrate", "--verbosity", "0")
        self.world = World(**json.loads(self.run(sys.executable, "-m", "tests.faults.world")))
        self.server = LiveServer(
            workers=WORKERS,
            port=PORT if self.network.within else 0,
            host=self.network.host,
            installation=self.variables | self._clock(),
            options=["--drain", str(DRAIN_SECONDS)],
            within=[*self.network.within, *self._limits()],
        )
        self._stack.enter_context(self.server)
        self.proxy = self._stack.enter_context(TcpProxy((self.network.host, self.server.port), self.network.address))

    @property
    def url(self) -> str:
        """Where clients find it."""
        return self.server.url

    @property
    def proxy_url(self) -> str:
        """Where they find it behind something that may cut them off."""
        return f"http://127.0.0.1:{self.proxy.port}"

    def run(self, *command: str) -> str:
        """Run a program to its end where the servers run, and return what it printed."""
        done = subprocess.run(
            [*self.network.within, *command], env=self.variables, cwd=BASE_DIR, check=True, stdout=subprocess.PIPE
        )
        return done.stdout.decode()

    def manage(self, *arguments: str) -> str:
        """Run a management command."""
        return self.run(sys.executable, str(MANAGE), *arguments)

    def workers(self) -> list[int]:
        """The ids of the server's worker processes."""
        return workers_of(self.server.pid)

    def wait_until_all_serve(self) -> None:
        """Wait until every worker serves: until then it has no threads beside its own, and clients wait for it."""
        wait_until(
            lambda: len(self.workers()) == WORKERS and all(_threads(pid) > 2 for pid in self.workers()),
            HEALTHY_WITHIN,
            lambda: f"the workers do not come back\n{self.server.log()[-3000:]}",
        )

    def signal_worker(self, place: int, signum: signal.Signals) -> None:
        """Send one of the workers a signal, if there is one just now."""
        workers = self.workers()
        if workers:
            with suppress(ProcessLookupError):
                os.kill(workers[place % len(workers)], signum)

    def restart_server(self) -> None:
        """Start the server that was stopped."""
        self.server.close()
        self.server.start()

    def connect(self, *, request: bytes = b"", receives: int = 0) -> socket.socket:
        """Hold a connection to the server until ``let_go``, on which ``request`` was sent, and return it.

        ``receives`` is how many bytes this end takes before it wants them read.
        """
        connection = socket.socket()
        if receives:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        connection.settimeout(CONNECT_SECONDS)
        self.held.append(connection)
        with suppress(OSError):  # a server that is broken enough takes nobody
            connection.bind((self.network.address(len(self.held)), 0))
            connection.connect((self.network.host, self.server.port))
            connection.sendall(request)
        return connection

    def let_go(self) -> None:
        """Hang up on all that is held."""
        while self.held:
            self.held.pop().close()

    def fill_disk(self) -> None:
        """Leave no room on the disk of the database."""
        with suppress(OSError), open(self.directory / "disk" / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))

    def empty_disk(self) -> None:
        """Take away what filled it."""
        (self.directory / "disk" / "filler").unlink(missing_ok=True)

    def is_healthy(self) -> bool:
        """Whether a load balancer would send anybody here."""
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def wait_until_healthy(self) -> None:
        """Wait until it answers, with all of its workers."""
        wait_until(
            lambda: len(self.workers()) == WORKERS and self.is_healthy(),
            HEALTHY_WITHIN,
            lambda: f"the server does not come back\n{self.server.log()[-3000:]}",
        )

    def wait_until_drained(self) -> None:
        """Wait until everything committed has its place in the log."""
        wait_until(lambda: self.tables.waiting() == 0, HEALTHY_WITHIN, lambda: "the relays do not sequence")

    def superuser(self) -> psycopg.Connection:
        """Return a connection to the cluster that is not the product's, to be closed by the caller."""
        return self.postgres.connect()

    def terminate_backends(self, limit: int = 1000) -> None:
        """End connections of the product's database, from the server's side."""
        query = "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE datname = %s LIMIT %s) a"
        with suppress(psycopg.OperationalError), self.superuser() as connection:
            connection.execute(query, [NAME, limit])

    def black_hole_redis(self) -> None:
        """Have everything to and from Redis swallowed."""
        self.network.black_hole() if self._redis_line is None else self._redis_line.stand_still()

    def reset_redis(self) -> None:
        """Have everything to Redis answered by a reset."""
        self.network.reset() if self._redis_line is None else self._redis_line.refuse()

    def reach_redis(self) -> None:
        """Let Redis be reached again."""
        self.network.let_through() if self._redis_line is None else self._redis_line.go_on()

    def set_clock(self, seconds: int) -> None:
        """Set the servers' wall clock wrong by so many seconds."""
        with open(self.directory / "clock", "r+b") as clock:
            clock.write(struct.pack("<q", seconds))

    def dump(self) -> Path:
        """Write the database to a file, by its own means."""
        path = self.directory / "dump"
        self._postgres("pg_dump", "--clean", "--if-exists", "--no-owner", f"--file={path}")
        return path

    def restore(self, path: Path) -> None:
        """Put the database back to what the file holds, under whoever is connected."""
        self._postgres("psql", "--quiet", "--single-transaction", f"--file={path}")

    def _postgres(self, program: str, *arguments: str) -> None:
        address = address_of(self.database_url)
        found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        where = [f"--host={address['host']}", f"--username={address['user']}", f"--dbname={address['dbname']}"]
        command = [str(found[-1]) if found else program, *where, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def _database(self) -> str:
        if self.setup.database == "sqlite":
            disk = self.directory / "disk"
            disk.mkdir()
            if self.setup.disk_megabytes:
                size = f"size={self.setup.disk_megabytes}m"
                subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], check=True)
                self._stack.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=False)
            return f"sqlite:///{disk / 'db.sqlite3'}"
        self.postgres = self._stack.enter_context(PostgresServer())
        return self.postgres.create_database(NAME)

    def _variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        port = REDIS_PORT if self._redis_line is None else self._redis_line.port
        return (
            kept
            | {
                "PYTHONPATH": str(BASE_DIR),
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "DEBUG": "0",
                "HTTPS": "0",
                "SECRET_KEY": secrets.token_urlsafe(48),
                "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
                "DATABASE_URL": self.database_url,
                "DATABASE_POOL": str(POOL),
                "REDIS_URL": f"redis://127.0.0.1:{port}/0",
                "ALLOWED_HOSTS": f"{self.network.host},127.0.0.1",
                "LOG_LEVEL": "WARNING",
            }
            | CROWD
            | self._planted()
        )

    def _planted(self) -> dict[str, str]:
        if not self._plant:
            return {}
        return {"DJANGO_SETTINGS_MODULE": "tests.faults.planted_settings", plants.VARIABLE: self._plant}

    def _limits(self) -> list[str]:
        return ["prlimit", f"--nofile={self.setup.handles}"] if self.setup.handles else []

    def _clock(self) -> dict[str, str]:
        if not self.setup.has_own_clock:
            return {}
        clock = self.directory / "clock"
        clock.write_bytes(bytes(8))
        library = native.build(self.directory, CLOCK, "-shared", "-fPIC")
        return {"LD_PRELOAD": str(library), "WRONG_CLOCK": str(clock)}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def abilities() -> frozenset[str]:
    """What this machine lets us break beside the servers themselves."""
    own = {"disk"} if os.getuid() == 0 else set()
    return best().abilities | own | ({"clock"} if native.compiler() else set())


def world_of(rig: Rig) -> str:
    """The world as other programs read it, in one line."""
    return json.dumps(asdict(rig.world))


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition for at most so long; return whether it came to hold."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _threads(pid: int) -> int:
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task"))
    return 0
