"""A database and a Redis for one measurement, and Django set up on them.

Apart from the tests' servers, which pytest starts. PostgreSQL runs as the tests have it, without fsync: what is
measured is the project, not the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory

from config.services.postgres import PostgresServer
from config.services.redis import RedisServer

DATABASES = ("sqlite", "postgresql")
CROWD = {
    # All of the load comes from one address, and much of it from few users: limits stay on, and are not reached.
    "REALTIME_MAX_CONNECTIONS": "200000",
    "REALTIME_MAX_ADDRESS_CONNECTIONS": "200000",
    "REALTIME_MAX_USER_CONNECTIONS": "200000",
    "REALTIME_MAX_USER_STREAMS": "200000",
    "REALTIME_USER_POLL_RATE": "100000",
    "REALTIME_USER_POLL_BURST": "100000",
}


@contextmanager
def started(database: str) -> Iterator[None]:
    """Start what is needed, point the environment at it, and migrate an empty database."""
    with TemporaryDirectory() as folder, RedisServer() as redis:
        postgres = PostgresServer().start() if database == "postgresql" else None
        try:
            url = postgres.create_database("bench") if postgres else f"sqlite:///{Path(folder) / 'bench.sqlite3'}"
            os.environ.update(DATABASE_URL=url, REDIS_URL=redis.url, HTTPS="0", LOG_LEVEL="WARNING")
            os.environ.update(DJANGO_SETTINGS_MODULE="config.settings", STATIC_ROOT="", **CROWD)
            # Not as in production: what one machine's disk takes says nothing of another's. FULL, if asked, shows it.
            os.environ.setdefault("SQLITE_SYNCHRONOUS", "NORMAL")
            # As in production: with DEBUG, Django keeps every statement and how long it took.
            os.environ.update(DEBUG="0", SECRET_KEY=token_urlsafe(48), JWT_SIGNING_KEY=token_urlsafe(48))
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield
        finally:
            from django.db import connections

            from realtime.relay import relay

            relay.stop()
            connections.close_all()
            if postgres:
                postgres.close()
