"""The pool of connections to PostgreSQL, after the server has ended some of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from config.env import BASE_DIR
from config.services.postgres import NoPostgres, PostgresServer
from tests import servers
from tests.live import variables

ENDED_WITHIN = 50.0

# A process of its own: a pool that other tests have used holds more than is known here.
SCRIPT = """
import threading
from concurrent.futures import ThreadPoolExecutor

import django
from django.db import connection

django.setup()
idle = 4
everybody = threading.Barrier(idle)

def use(number):
    connection.ensure_connection()
    everybody.wait()
    connection.close()

def ask(question):
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]

with ThreadPoolExecutor(idle) as threads:
    list(threads.map(use, range(idle)))
mine = "datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'the pool'"
assert ask(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {mine}") == idle - 1
for number in range(idle + 1):
    connection.close()
    assert ask("SELECT 1") == 1
print("all answered")
"""


@pytest.mark.skipif(servers.database() != servers.POSTGRESQL, reason="SQLite has no server to lose")
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_while_it_lay_idle_is_handed_to_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=variables(PGAPPNAME="the pool"),
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=ENDED_WITHIN,
        check=False,
    )

    assert done.stdout == "all answered\n", done.stderr


OUTAGE = """
import threading
from time import monotonic

import django
from django.db import OperationalError, connection

django.setup()

def ask():
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone()[0]
    finally:
        connection.close()

assert ask() == 1
gave_up = threading.Event()
connection.pool._reconnect_failed = lambda pool: gave_up.set()
print("up", flush=True)
input()
try:
    ask()
except OperationalError:
    assert gave_up.wait(30)
    print("down", flush=True)
input()
began = monotonic()
assert ask() == 1
print("up again" if monotonic() - began < connection.pool.timeout / 2 else "up late", flush=True)
"""


@pytest.mark.once
def test_an_outage_that_outlasts_the_pools_attempts_ends_for_the_first_who_asks_after_it() -> None:
    try:
        own = PostgresServer()
    except NoPostgres as error:
        pytest.skip(str(error))
    with (
        own,
        subprocess.Popen(
            [sys.executable, "-c", OUTAGE],
            env=variables(DATABASE_URL=own.start().create_database("outage")),
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as asking,
    ):
        assert asking.stdin and asking.stdout

        said = [asking.stdout.readline()]
        for change in (own.stop, own.start):
            change()
            asking.stdin.write("\n")
            asking.stdin.flush()
            said.append(asking.stdout.readline())

    assert said == ["up\n", "down\n", "up again\n"]
