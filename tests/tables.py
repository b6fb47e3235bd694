"""The tables of the test database, emptied between tests that commit."""

from django.db import connection, transaction

MADE_BY_MIGRATING = {"django_migrations", "django_content_type", "auth_permission"}


def empty_tables() -> None:
    """Delete all rows but those that migrating makes. Ids go on: a relay has passed those that were given."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    quoted = {name: connection.ops.quote_name(name) for name in sorted(set(names) - MADE_BY_MIGRATING)}
    looks = (f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {table})" for name, table in quoted.items())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        for (name,) in cursor.fetchall():  # in any order, as references are looked at in the end
            cursor.execute(f"DELETE FROM {quoted[name]}")
