"""A dump of the test database and its restore, by the database's own means, under whoever is connected."""

from __future__ import annotations

import glob
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.db import connection


def dump(folder: Path) -> Path:
    """Write the whole database into a file."""
    path = folder / "dump"
    if connection.vendor == "sqlite":
        with _opened(_settings()["NAME"]) as source, _opened(path) as target:
            source.backup(target)
    else:
        _postgres("pg_dump", "--clean", "--if-exists", "--no-owner", f"--file={path}")
    return path


def restore(path: Path) -> None:
    """Put the database back to what the file holds, in one step."""
    if connection.vendor == "sqlite":
        with _opened(path) as source, _opened(_settings()["NAME"]) as target:
            source.backup(target)
    else:
        _postgres("psql", "--quiet", "--single-transaction", f"--file={path}")


@contextmanager
def _opened(path: str | Path) -> Iterator[sqlite3.Connection]:
    """A database file: what is done to it is committed, then it is closed. sqlite3's own block does the first alone."""
    with closing(sqlite3.connect(path, timeout=20)) as opened, opened:
        yield opened


def _settings() -> dict[str, Any]:
    settings: dict[str, Any] = connection.settings_dict
    return settings


def _postgres(program: str, *arguments: str) -> None:
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))
    settings = _settings()
    where = [f"--dbname={settings['NAME']}", f"--host={settings['HOST']}", f"--username={settings['USER']}"]
    if settings["PORT"]:
        where.append(f"--port={settings['PORT']}")
    command = [found[-1] if found else program, *where, *arguments]
    environment = {**os.environ, "PGPASSWORD": settings["PASSWORD"] or ""}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, env=environment)
