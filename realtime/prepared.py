"""Statements whose SQL is written once and then run with other values.

The ORM writes a query anew each time, which takes many times as long as the database's answer. Here it writes it once
per database, for what every save or every connect asks. Separate because it leans on how Django's compiler lays out a
row, and nothing else has to know that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeAlias, TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)
AnyField: TypeAlias = "Field[Any, Any]"


class Given(Expression):
    """Where a statement takes a value that is given each time: one for ``field``, so written as that field's are."""

    def __init__(self, field: AnyField, place: int = 0) -> None:
        super().__init__(output_field=field)
        self.place = place

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]

    def written(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """The value as the database takes it. Raises what the field raises for one that it cannot hold."""
        return self.output_field.get_db_prep_value(value, connection)


class Prepared(Generic[M]):
    """A queryset of whole rows, with places for values; called with a database and the values, it returns the rows.

    What the queryset is made of must not change while the process lives. One that locks must be run in a transaction:
    that is looked at when it is written only. Not for keys of several columns.
    """

    def __init__(self, build: Callable[..., QuerySet[M]], given: Sequence[Given]) -> None:
        self._build = build
        self._given = given
        self._statements: dict[str, _Statement] = {}

    def __call__(self, using: str, *values: Any) -> list[M]:
        statement = self._statements.get(using)
        if statement is None:
            statement = self._statements[using] = _written(self._build(using, *self._given), using)
        return statement.run(connections[using], using, values)


def prepared(*fields: Any) -> Callable[[Callable[..., QuerySet[M]]], Prepared[M]]:
    """Make of a function that builds a queryset, from a database and a place for a value of each field, a Prepared."""
    given = [Given(field, place) for place, field in enumerate(fields)]
    return lambda build: Prepared(build, given)


@dataclass(frozen=True, slots=True, eq=False)
class _Statement:
    """One queryset in SQL, and how a row of its answer becomes an instance."""

    sql: str
    params: tuple[Any, ...]
    expressions: Sequence[Any]
    model: type[Model]
    columns: slice
    names: Sequence[str]
    related: Sequence[Any]
    annotations: Sequence[tuple[str, int]]

    def run(self, connection: BaseDatabaseWrapper, using: str, values: Sequence[Any]) -> list[Any]:
        params = [
            each.written(values[each.place], connection) if isinstance(each, Given) else each for each in self.params
        ]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, params)
            rows = [list(row) for row in cursor.fetchall()]
        converters = self._converters(connection)
        for row in rows:
            for place, convert, expression in converters:
                row[place] = convert(row[place], expression, connection)
        return [self._instance(row, using) for row in rows]

    def _converters(self, connection: BaseDatabaseWrapper) -> list[tuple[int, Any, Any]]:
        """How the columns become Python's values, in order. Kept with the connection: they may hold on to it."""
        known = connection.__dict__.setdefault("_realtime_converters", {})
        if self not in known:
            known[self] = [
                (place, convert, expression)
                for place, expression in enumerate(self.expressions)
                for convert in (
                    *connection.ops.get_db_converters(expression),
                    *expression.get_db_converters(connection),
                )
            ]
        return known[self]  # type: ignore[no-any-return]

    def _instance(self, row: list[Any], using: str) -> Model:
        instance = self.model.from_db(using, self.names, row[self.columns])
        for each in self.related:
            each.populate(row, instance)
        for name, place in self.annotations:
            setattr(instance, name, row[place])
        return instance


def _written(queryset: QuerySet[Any], using: str) -> _Statement:
    """Have the ORM write the queryset, and note what it would do with each row."""
    compiler: Any = queryset.query.get_compiler(using)
    sql, params = compiler.as_sql()
    select, info = compiler.select, compiler.klass_info
    fields = info["select_fields"]
    columns = slice(fields[0], fields[-1] + 1)
    mode = {"fetch_mode": queryset._fetch_mode} if hasattr(queryset, "_fetch_mode") else {}  # there from Django 6.1 on
    return _Statement(
        sql,
        tuple(params),
        [each[0] for each in select],
        info["model"],
        columns,
        [each[0].target.attname for each in select[columns]],
        get_related_populators(info, select, using, **mode),
        list(compiler.annotation_col_map.items()),
    )


def insert(model: type[Model], fields: Sequence[AnyField], values: Sequence[Any], using: str) -> None:
    """Insert ``values`` of ``fields``, in this order, as a row of the model's table. No expressions."""
    connection = connections[using]
    written = [field.get_db_prep_save(value, connection) for field, value in zip(fields, values, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_insertion(model._meta.db_table, tuple([field.column for field in fields])), written)


def update(row: Model, names: tuple[str, ...], using: str) -> int:
    """Write these attributes of an instance over its row; return how many rows there were, 1 or 0. No expressions."""
    connection = connections[using]
    sql, fields = _change(type(row), names)
    written = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, written)
        return int(cursor.rowcount)


@lru_cache
def _insertion(table: str, columns: tuple[str, ...]) -> str:
    names, marks = ", ".join(map(_quoted, columns)), ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {_quoted(table)} ({names}) VALUES ({marks})"  # noqa: S608


@lru_cache
def _change(model: type[Model], names: tuple[str, ...]) -> tuple[str, list[Any]]:
    fields: list[Any] = [*(model._meta.get_field(name) for name in names), model._meta.pk]
    *changed, key = (f"{_quoted(field.column)} = %s" for field in fields)
    return f"UPDATE {_quoted(model._meta.db_table)} SET {', '.join(changed)} WHERE {key}", fields  # noqa: S608


def _quoted(name: str) -> str:
    """A name as standard SQL has it; both databases take it, whatever is in it."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'
