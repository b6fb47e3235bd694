"""Models whose every change is told: saves, bulk writes, updates, deletes and cascades.

Django sends ``post_save`` outside any transaction when nobody opened one, and for bulk writes sends nothing at all.
Here every path opens the transaction, locks the rows it changes, and sends ``changed`` once per row inside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Self, TypeVar

from django.db import models, router, transaction
from django.db.models.expressions import BaseExpression
from django.dispatch import Signal
from django.utils.translation import gettext_lazy as _

from realtime.conf import conf
from realtime.prepared import insert

M = TypeVar("M", bound="PublishingModel")

changed = Signal(use_caching=True)
"""Sent with sender (the model), before, after (rows; None for none) and using, once per row changed."""


class Refused(RuntimeError):
    """This way of writing cannot tell what it changed; the message names one that can."""


class PublishingQuerySet(models.QuerySet[M]):
    """A queryset whose writes are told row by row. One call changes at most ``BULK_ROWS`` rows."""

    def bulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[M]:
        """Insert rows and tell each. Raises Refused for conflict options: the database does not say what it did."""
        if ignore_conflicts or update_conflicts:
            raise Refused(
                f"{self.model.__name__}.objects.bulk_create() with conflict options cannot tell which rows it wrote: "
                "look up the existing rows, then use bulk_create() for new ones and save() or bulk_update() for others."
            )
        rows = list(objs)
        _bound(self.model, len(rows), "bulk_create()")
        for row in rows:
            row.version = 1
        with transaction.atomic(using=self._writing_to(), savepoint=False):
            created = super().bulk_create(rows, batch_size=batch_size)
            for row in _told(self, created):
                changed.send(_sender(self.model), before=None, after=row, using=self._writing_to())
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def update(self, **values: Any) -> int:
        """Update rows and tell each; unchanged rows are told too, as their ``version`` has risen."""
        if not values.keys().isdisjoint(_names_of_key(self.model)):
            raise Refused(
                f"{self.model.__name__} update() of primary keys would turn rows into others: "
                "create new rows and delete() these."
            )
        using = self._writing_to()
        with transaction.atomic(using=using, savepoint=False):
            befores = self._lock("update()")
            count = self._rows(befores).untold_update(**{**values, "version": models.F("version") + 1})
            afters = {row.pk: row for row in self._rows(befores)}
            for before in befores:
                changed.send(_sender(self.model), before=before, after=afters[before.pk], using=using)
        return count

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete rows, and what hangs on them, and tell each. Rows are locked first, in key order."""
        with transaction.atomic(using=self._writing_to(), savepoint=False):
            return models.QuerySet.delete(self._rows(self._lock("delete()")))

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def untold_update(self, **values: Any) -> int:
        """Update rows without telling anyone. For what no reader of any topic can see."""
        return super().update(**values)

    untold_update.alters_data = True  # type: ignore[attr-defined]

    def _writing_to(self) -> str:
        return self._db or router.db_for_write(self.model, **self._hints)  # type: ignore[attr-defined]

    def _rows(self, rows: Sequence[M]) -> Self:
        manager = self.model._base_manager.using(self._writing_to())
        return manager.filter(pk__in=[row.pk for row in rows])  # type: ignore[return-value]

    def _is_plain(self) -> bool:
        query, fields = self.query, self._fields  # type: ignore[attr-defined]
        return not (query.is_sliced or query.distinct or query.group_by or query.combinator) and fields is None

    def _lock(self, how: str) -> list[M]:
        """The rows this queryset means, locked in key order, as they are once the locks are held.

        The conditions stand beside FOR UPDATE itself: a row that stopped matching while we waited is left alone.
        """
        query = self.query
        if query.is_sliced or query.distinct or query.group_by or query.combinator or self._fields is not None:  # type: ignore[attr-defined]
            raise Refused(
                f"{self.model.__name__} {how} needs plain rows to lock; this queryset is sliced, distinct, combined or "
                "holds values(): take the primary keys from it and use filter(pk__in=keys)."
            )
        rows = self.using(self._writing_to()).select_related(None).prefetch_related(None).defer(None).order_by("pk")
        locked = rows.select_for_update(of=("self",), no_key=how == "update()")
        found = list(locked[: conf.BULK_ROWS + 1])
        _bound(self.model, len(found), how)  # before: through a join, a row found several times may hide others
        return list({row.pk: row for row in found}.values())


def _bound(model: type[models.Model], count: int, how: str) -> None:
    if count > conf.BULK_ROWS:
        raise Refused(
            f"{model.__name__} {how} would change more than {conf.BULK_ROWS} rows in one transaction: "
            "work in batches of primary keys (REALTIME['BULK_ROWS'] sets the bound)."
        )


def _sender(model: type[models.Model]) -> type[models.Model]:
    """Whose receivers are told: a proxy's rows are its model's."""
    return model._meta.concrete_model or model


def _names_of_key(model: type[models.Model]) -> set[str]:
    key = model._meta.pk
    return {"pk", key.name, key.attname}


def _told(queryset: PublishingQuerySet[M], rows: Sequence[M]) -> Iterable[M]:
    """``rows`` as the database has them, in key order: what was given may hold text or expressions."""
    fresh = {row.pk: row for row in queryset._rows(rows)}
    return (fresh[key] for key in sorted(fresh))


class PublishingModel(models.Model):
    """A model whose every committed change can be told, by any path that writes it.

    ``version`` counts the changes of a row. It is raised from the locked row, so two writers never give one twice.
    """

    version = models.PositiveBigIntegerField(_("version"), default=1, editable=False)
    _locked: PublishingModel | None  # the row as locked, between the signals before and after a write

    objects = PublishingQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(
        self,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save in a transaction of its own or the caller's; receivers of ``changed`` run inside it."""
        using = using or router.db_for_write(type(self), instance=self)
        if update_fields:
            update_fields = {*update_fields, "version"}
        self.__dict__.setdefault("version", 0)  # if it was deferred, so would be writing the one that is told
        with transaction.atomic(using=using, savepoint=False):
            super().save(force_insert=force_insert, force_update=force_update, using=using, update_fields=update_fields)

    save.alters_data = True  # type: ignore[attr-defined]

    def _do_insert(self, manager: Any, using: str, fields: Sequence[Any], returning_fields: Any, raw: bool) -> Any:
        """Insert by a statement that is ready, where the database has nothing to work out or to give back."""
        values = [getattr(self, field.attname) if raw else field.pre_save(self, True) for field in fields]
        if returning_fields or any(map(_is_worked_out, fields, values)):
            return super()._do_insert(manager, using, fields, returning_fields, raw)  # type: ignore[misc]
        insert(manager.model, fields, values, using)
        return []

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete in a transaction; receivers of ``changed`` run inside it, for cascades too."""
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            return super().delete(using=using, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]


def _is_worked_out(field: Any, value: Any) -> bool:
    return hasattr(value, "resolve_expression") or hasattr(field, "get_placeholder")


def locked_row(instance: PublishingModel, using: str, *, to_delete: bool = False) -> PublishingModel | None:
    """The row behind ``instance`` as the database has it, locked until the transaction ends; None if there is none.

    Unless it is to be deleted, not so hard that new rows which refer to it had to wait: two writers that each insert
    such a row, and then change this one, would wait for each other for ever.
    """
    rows = type(instance)._base_manager.using(using).filter(pk=instance.pk)
    return rows.select_for_update(no_key=not to_delete).first()


def settle(instance: PublishingModel, using: str, *, partly: bool = False) -> PublishingModel:
    """``instance`` with values as the database has them: text given for a number, or ``F()``, is not what was saved.

    Of one that was saved ``partly``, the rest is whatever the caller left there, and the row is read instead.
    """
    made = None if partly else _unsettled(instance)
    if made is None:
        return type(instance)._base_manager.using(using).get(pk=instance.pk)
    for name, value in made.items():
        setattr(instance, name, value)
    return instance


def _unsettled(instance: PublishingModel) -> dict[str, Any] | None:
    """The values that are not yet as the database has them, as they shall be; None where it alone knows one."""
    values, made = instance.__dict__, {}
    for field in instance._meta.concrete_fields:
        if field.attname in values:
            value = values[field.attname]
            if isinstance(value, BaseExpression):
                return None
            if (settled := field.to_python(value)) is not value:
                made[field.attname] = settled
    return made
