"""The servers of one test run: PostgreSQL or SQLite as TEST_DATABASE says, and a Redis of our own.

What is given is used (TEST_DATABASE_URL, REDIS_URL); the rest is started here, once per run and, for Redis,
once per process of pytest-xdist, since a test may kill it. All of it ends with the process.
"""

import atexit
import os
import secrets
from pathlib import Path
from typing import Any

from config.services.postgres import NoPostgres, PostgresServer
from config.services.redis import NoRedis, RedisServer
from config.services.supervised import temporary_directory

POSTGRESQL, SQLITE = "postgresql", "sqlite"
NAME = "ledger"

CROWD = {
    # A test run is one address with a handful of users. Limits stay on; what is held against them sets its own.
    "REALTIME_MAX_ADDRESS_CONNECTIONS": "100000",
    "REALTIME_MAX_USER_CONNECTIONS": "100000",
    "REALTIME_MAX_USER_STREAMS": "100000",
    "REALTIME_USER_POLL_RATE": "100000",
    "REALTIME_USER_POLL_BURST": "100000",
}

redis: RedisServer | None = None
"""This process's own Redis; None when it was given one or there is none to be had."""

_directory: Path | None = None


def prepare() -> None:
    """Give this process's environment the addresses of a database and of a Redis."""
    os.environ.update({"DEBUG": "1", "HTTPS": "0", "LOG_LEVEL": "WARNING", "STATIC_ROOT": "", **CROWD})
    os.environ["CHANNEL_PREFIX"] = f"test-{secrets.token_hex(4)}"
    # Tests that start servers fill this in; a pytest-xdist process inherits it.
    if "TEST_RUN_DATABASE_URL" not in os.environ:
        os.environ["TEST_RUN_DATABASE_URL"] = _database_url()
    os.environ["DATABASE_URL"] = os.environ["TEST_RUN_DATABASE_URL"]
    if "TEST_RUN_REDIS_GIVEN" not in os.environ:
        os.environ["TEST_RUN_REDIS_GIVEN"] = os.environ.get("REDIS_URL", "")
    os.environ["REDIS_URL"] = os.environ["TEST_RUN_REDIS_GIVEN"] or _redis_url()


def name_test_database(config: dict[str, Any]) -> None:
    """Give a SQLite test database a file: in memory, other threads and processes could not see it."""
    if config["ENGINE"].endswith("sqlite3"):
        config["TEST"]["NAME"] = str(Path(config["NAME"]).with_name("test.sqlite3"))


def database() -> str:
    """Return which database this run is on: PostgreSQL where nothing is said, or the empty text."""
    said = os.environ.get("TEST_DATABASE") or POSTGRESQL
    if said not in (POSTGRESQL, SQLITE):
        raise SystemExit(f"TEST_DATABASE is {said!r}: set it to {POSTGRESQL} or {SQLITE}, or leave it out")
    return said


def _database_url() -> str:
    if database() == SQLITE:
        return f"sqlite:///{_temporary() / 'db.sqlite3'}"
    if given := os.environ.get("TEST_DATABASE_URL"):
        return given
    try:
        server = PostgresServer()
    except NoPostgres as error:
        raise SystemExit(f"{error}; or run with TEST_DATABASE=sqlite") from error
    atexit.register(server.close)
    return server.start().create_database(NAME)


def _redis_url() -> str:
    global redis
    try:
        redis = RedisServer()
    except NoRedis:
        return ""
    atexit.register(redis.close)
    return redis.start().url


def _temporary() -> Path:
    global _directory
    if _directory is None:
        _directory = temporary_directory()
        atexit.register(_remove, _directory)
    return _directory


def _remove(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink(missing_ok=True)
    directory.rmdir()
