"""The tables of the test database, emptied between tests that commit, and the relay, which reads them by itself."""

from django.db import connection, transaction

from config.services.waiting import wait_until
from realtime import log
from realtime.relay import relay

DRAINED_WITHIN = 20.0
STOPPED_WITHIN = 30.0  # seconds; a process that ends gives its relay one, which a busy machine takes for a look

MADE_BY_MIGRATING = {"django_migrations", "django_content_type", "auth_permission"}


def still_relay() -> None:
    """Let the relay finish what was committed, and be sure that it has ended: it would see to the next test's, too."""
    relay.stop(STOPPED_WITHIN)
    assert relay._thread is None or not relay._thread.is_alive(), "the relay does not end"


def wait_until_drained() -> None:
    """Wait until everything committed has its place in the log."""
    wait_until(lambda: log.waiting() is None, DRAINED_WITHIN, lambda: "the relays do not sequence")


def empty_tables() -> None:
    """Delete all rows but those that migrating makes. Ids go on: a relay has passed those that were given."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    quoted = {name: connection.ops.quote_name(name) for name in sorted(set(names) - MADE_BY_MIGRATING)}
    looks = (f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {table})" for name, table in quoted.items())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        for (name,) in cursor.fetchall():  # in any order, as references are looked at in the end
            cursor.execute(f"DELETE FROM {quoted[name]}")
