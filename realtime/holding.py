"""Locks that Django has no words for: rows that others may keep as well, and rows that are taken behind all else.

Separate from publishing, which locks what it writes: these are of rows that are merely named, or judged by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections, models, router, transaction


def keep(rows: models.QuerySet[Any]) -> set[Any]:
    """The keys of ``rows``, none of which is deleted until the transaction ends. Others may change them, and keep them.

    For what is about to be referred to: Django's foreign keys are deferred, so that the database would come for the
    same lock only when it commits, and then has nothing but an error to say. On SQLite nobody else writes anyway.
    """
    return _share(rows, "KEY SHARE")


def keep_unchanged(rows: models.QuerySet[Any]) -> set[Any]:
    """The keys of ``rows``, none of which is changed or deleted until the transaction ends. Others may do the same."""
    return _share(rows, "SHARE")


def hold_behind(
    rows: models.QuerySet[Any], hold: Callable[[], Iterable[Any]], look: Callable[[], Iterable[Any]], *, to_delete: bool
) -> None:
    """Lock what ``hold`` locks, of which it returns the keys, and ``rows`` last, until the transaction ends.

    ``look`` returns the same keys as they are then, and locks nothing. What came while the rows were waited for is not
    waited for with the rows in hand, as who has it may be coming for them: they are let go of, and all begins anew.
    """
    using = rows._db or router.db_for_write(rows.model)  # type: ignore[attr-defined]
    locked = rows.using(using).order_by("pk").select_for_update(of=("self",), no_key=not to_delete)
    while True:
        held = set(hold())
        before = savepoint(using)
        list(locked.values_list("pk"))
        if held.issuperset(look()):
            transaction.savepoint_commit(before, using)
            return
        transaction.savepoint_rollback(before, using)


def savepoint(using: str | None = None) -> str:
    """A place in the open transaction to which locks can be let go of, by ``transaction.savepoint_rollback``."""
    # Of the connection, since Django 5.2 and 6.1 have no name for it in common in ``transaction``.
    before = connections[using or DEFAULT_DB_ALIAS].savepoint()
    assert before is not None, "each database that this runs on has savepoints"
    return before


def _share(rows: models.QuerySet[Any], strength: str) -> set[Any]:
    """Django knows only locks that exclude each other, so the words for these are put behind its own query."""
    connection = connections[rows._db or router.db_for_write(rows.model)]  # type: ignore[attr-defined]
    keys = rows.using(connection.alias).order_by("pk").values_list("pk", flat=True)
    if not connection.features.has_select_for_no_key_update:
        return set(keys)
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A lock outside of a transaction would be gone at once.")
    try:
        sql, parameters = keys.query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:
        return set()
    table = connection.ops.quote_name(rows.model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} FOR {strength} OF {table}", parameters)
        return {row[0] for row in cursor.fetchall()}
