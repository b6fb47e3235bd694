"""Rows that only one service may write: every ordinary way of writing them is refused, and the service named.

Separate because the refusal must not depend on the reader's memory: a balance that anybody may set is soon wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn, TypeVar

from django.db import models

from realtime import prepared
from realtime.models import Refused

M = TypeVar("M", bound="GuardedModel")


class GuardedQuerySet(models.QuerySet[M]):
    """Reads as any queryset does; refuses to write. Services write through ``unguarded``."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.model.refuse()

    create = get_or_create = update_or_create = _refuse
    bulk_create = bulk_update = update = delete = _refuse


class GuardedModel(models.Model):
    """A model written by the service named in ``way`` and by nothing else. Cascades still remove its rows."""

    way: ClassVar[str]

    objects = GuardedQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: see ``way``."""
        self.refuse()

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: see ``way``."""
        self.refuse()

    @classmethod
    def refuse(cls) -> NoReturn:
        """Raise Refused with the way to do it."""
        raise Refused(f"{cls.__name__} is not written directly: {cls.way}.")


def unguarded(model: type[M], using: str) -> models.QuerySet[M]:
    """The plain queryset of a guarded model. For the one service that may write it."""
    return models.QuerySet(model, using=using)


def insert(rows: Iterable[M], using: str) -> None:
    """Insert rows of a guarded model. For the one service that may write it."""
    for row in rows:
        models.Model.save(row, force_insert=True, using=using)


def overwrite(row: M, names: tuple[str, ...], using: str) -> bool:
    """Write these attributes over the row of a guarded model; False if it is gone. For the one service that may."""
    return bool(prepared.update(row, names, using))
