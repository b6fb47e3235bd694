"""The pool of connections to PostgreSQL, after the server has ended some of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from tests import servers

IDLE = 4


@pytest.mark.skipif(servers.database() != servers.POSTGRESQL, reason="SQLite has no server to lose")
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_while_it_lay_idle_is_handed_to_nobody() -> None:
    everybody = threading.Barrier(IDLE)

    def use() -> None:
        connection.ensure_connection()
        everybody.wait()
        connection.close()

    with ThreadPoolExecutor(IDLE) as threads:
        list(threads.map(lambda _: use(), range(IDLE)))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        ended = cursor.fetchone()[0]

    for _ in range(ended + 1):
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    assert ended >= IDLE - 1
