"""Where many users stand, in one statement: who they are, what they may read, and the log's place at that moment.

Separate from the log and from the rights of each app because it joins the two: one statement sees one moment, so that
user, rights, head and seqs belong together by themselves, and a rush of logins costs one round trip for many.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Exists, Func, OuterRef, QuerySet, Subquery, TextField, UUIDField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat

from realtime import log, topics
from realtime.models import LogHead, Outgoing, TopicHead
from realtime.prepared import Given, Prepared
from realtime.protocol.entry import CONTROL_PREFIX
from realtime.topics import Kind, Topic

VENDORS = ("postgresql", "sqlite")
Seqs = dict[Topic, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """One user as the database had them at ``head``, and what they may read: each topic with its newest seq there.

    ``automatic`` come without asking; ``named`` are those of the topics asked for that were granted. ``is_settled``
    is False where a change of these rights is committed and has no place in the log yet.
    """

    user: Any
    head: log.Head
    automatic: Seqs
    named: Seqs
    is_settled: bool = True


@dataclass(slots=True)
class _Columns:
    """The columns beside the user's own, and what they hold: a kind and whether they are automatic topics."""

    expressions: dict[str, Any] = field(default_factory=dict)
    meaning: dict[str, tuple[Kind, bool]] = field(default_factory=dict)


def can_be_read() -> bool:
    """Whether one statement can: users and log in one database, and each kind says its rights as rows."""
    using = log.database()
    if connections[using].vendor not in VENDORS or router.db_for_write(get_user_model()) != using:
        return False
    return _say_rows(topics.kinds())


def read(user_ids: Iterable[Any], named: Iterable[str] = ()) -> dict[str, Standing]:
    """The standings of the users, by their keys as text; users who do not exist are missing. One query."""
    using, wanted = log.database(), _by_kind(named)
    columns, rows = _rows(using, list(user_ids), wanted)
    found: dict[str, Standing] = {}
    for user in rows:
        extra = {name: user.__dict__.pop(name) for name in columns.expressions}
        if extra["log_epoch"] is not None:  # else nothing was ever told: the log begins with the first head
            found[str(user.pk)] = _standing(user, extra, columns, wanted)
    return found


def _rows(using: str, user_ids: list[Any], wanted: Mapping[str, Collection[str]]) -> tuple[_Columns, Iterable[Any]]:
    """The users' rows and the columns beside them: by a statement that is ready, unless topics are asked for by key."""
    kinds = topics.kinds()
    if any(kind.keyed and kind.name in wanted for kind in kinds):
        columns = _columns(kinds, wanted)
        return columns, _users(using).filter(pk__in=user_ids).annotate(**columns.expressions)
    columns, prepared = _statement(kinds)
    return columns, prepared(using, user_ids)


@lru_cache(maxsize=4)
def _statement(kinds: tuple[Kind, ...]) -> tuple[_Columns, Prepared[Any]]:
    """What most connections ask: the topics of these kinds that come without asking."""
    columns = _columns(kinds, {})

    def build(using: str, keys: _Keys) -> Any:
        return _users(using).filter(pk__in=keys.each(using)).annotate(**columns.expressions)

    return columns, Prepared(build, [_Keys(get_user_model()._meta.pk)])


class _Keys(Given):
    """The place of the users' keys, however many, as one parameter."""

    def each(self, using: str) -> RawSQL:
        """They as a subquery of one column."""
        if connections[using].vendor == "postgresql":
            column = self.output_field.rel_db_type(connections[using])
            return RawSQL(f"SELECT unnest(%s::{column}[])", [self])  # noqa: S611  (a column's type, no text of anybody's)
        return RawSQL("SELECT value FROM json_each(%s)", [self])

    def written(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        values = [super(_Keys, self).written(each, connection) for each in value]
        return values if connection.vendor == "postgresql" else json.dumps(values)


@lru_cache(maxsize=4)
def _say_rows(kinds: tuple[Kind, ...]) -> bool:
    return all(not kind.keyed or kind.rows() is not None for kind in kinds)


def _users(using: str) -> QuerySet[Any]:
    return get_user_model()._default_manager.using(using)


def _by_kind(named: Iterable[str]) -> dict[str, set[str]]:
    """The keys that are asked for, by kind. What is no topic is granted to nobody, and asked of nobody."""
    wanted: dict[str, set[str]] = {}
    for text in named:
        try:
            name, _, key = topics.parse(text).partition(":")
        except topics.InvalidTopic:
            continue
        wanted.setdefault(name, set()).add(key)
    return wanted


def _columns(kinds: Collection[Kind], wanted: Mapping[str, Collection[str]]) -> _Columns:
    head = LogHead.objects.filter(pk=1)
    about_user = Concat(Value(CONTROL_PREFIX), _Text(OuterRef("pk")))
    columns = _Columns(
        {
            "log_epoch": Subquery(head.values("epoch")),
            "log_position": Subquery(head.values("position")),
            "log_check": Subquery(head.values("check_bits")),
            "log_floor": Subquery(head.values("floor")),
            # The second condition names the index, which does not grow under a dump as the table does.
            "log_waits": Exists(Outgoing.objects.filter(topics=about_user, topics__startswith=CONTROL_PREFIX)),
            "log_seqs": _Seqs(
                TopicHead.objects.filter(topic__in=[kind.name for kind in kinds if not kind.keyed]).values(
                    "topic", "seq"
                )
            ),
        }
    )
    for kind in kinds:
        if kind.keyed:
            _add(columns, kind, True, kind.rows())
            if kind.name in wanted:
                _add(columns, kind, False, kind.rows(wanted[kind.name]))
    return columns


def _add(columns: _Columns, kind: Kind, automatic: bool, rows: Iterable[QuerySet[Any]] | None) -> None:
    for number, queryset in enumerate(rows or ()):
        name = f"log_{kind.name}_{'automatic' if automatic else 'named'}_{number}"
        columns.expressions[name] = _Topics(queryset.order_by(), kind=kind.name)
        columns.meaning[name] = (kind, automatic)


def _standing(user: Any, extra: dict[str, Any], columns: _Columns, wanted: Mapping[str, Collection[str]]) -> Standing:
    head = log.Head(extra["log_epoch"], extra["log_position"], extra["log_check"], extra["log_floor"])
    seqs = dict(_pairs(extra["log_seqs"]))
    automatic: Seqs = {}
    named: Seqs = {}
    for name, (kind, is_automatic) in columns.meaning.items():
        found = automatic if is_automatic else named
        found.update((Topic(f"{kind.name}:{UUID(key)}"), seq) for key, seq in _pairs(extra[name]))
    for kind in topics.kinds():  # of one topic each: they ask the row that was read, and no database
        if not kind.keyed:
            topic = Topic(kind.name)
            if kind.automatic(user):
                automatic[topic] = seqs.get(topic, 0)
            if kind.name in wanted and kind.readable(user, {""}):
                named[topic] = seqs.get(topic, 0)
    return Standing(user, head, automatic, named, is_settled=not extra["log_waits"])


def _pairs(text: str | None) -> Iterable[tuple[str, int]]:
    """Read ``key=seq,key=seq``."""
    for pair in text.split(",") if text else ():
        key, _, seq = pair.partition("=")
        yield key, int(seq)


class _Text(Func):
    """A key as it stands in a topic."""

    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="(%(expressions)s)::text", **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        sql, params = compiler.compile(self.source_expressions[0])
        is_uuid = isinstance(self.source_expressions[0].output_field, UUIDField)
        return f"({_hyphenated(sql)})" if is_uuid else f"CAST({sql} AS TEXT)", list(params) * (5 if is_uuid else 1)


def _hyphenated(sql: str) -> str:
    """SQLite keeps a UUID as 32 digits."""
    parts = (f"substr({sql}, {start}, {length})" for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12)))
    return " || '-' || ".join(parts)


class _Topics(Subquery):
    """The topics that a queryset of ``topic_key`` names, with their newest seqs, as ``key=seq,key=seq``."""

    template = (
        "(SELECT string_agg(%(key)s || '=' || coalesce(t.seq, 0), ',') FROM (%(subquery)s) k "  # noqa: S608
        f"LEFT JOIN {TopicHead._meta.db_table} t ON t.topic = '%(kind)s:' || %(key)s)"
    )
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, key="k.topic_key::text", **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = self.template.replace("string_agg", "group_concat")
        return self.as_sql(compiler, connection, template=template, key=_hyphenated("k.topic_key"), **extra)


class _Seqs(Subquery):
    """Topics and seqs as ``topic=seq,topic=seq``."""

    template = "(SELECT string_agg(k.topic || '=' || k.seq, ',') FROM (%(subquery)s) k)"
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = self.template.replace("string_agg", "group_concat")
        return self.as_sql(compiler, connection, template=template, **extra)
