"""The pool of connections to PostgreSQL, after the server has ended some of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from config.env import BASE_DIR
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
