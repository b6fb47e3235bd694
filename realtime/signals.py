"""``changed``, and the Django signals it is made from.

One signal for every path, with the row as it was and as it is. Its receivers run inside the transaction that changes
the row; an error in one undoes the change.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connections
from django.db.models import NOT_PROVIDED
from django.db.models.signals import class_prepared, post_delete, post_save, pre_delete, pre_save
from django.dispatch import receiver

from realtime.publishing import PublishingModel, Refused, changed, locked_row, settle

__all__ = ["changed"]


def row_will_be_saved(sender: type, instance: Any, raw: bool, using: str, **kwargs: Any) -> None:
    """Lock the row and raise its version before Django writes it."""
    if raw:
        return
    if not connections[using].in_atomic_block:
        raise Refused(f"{sender.__name__}.save_base() outside a transaction tells nobody: call save() instead.")
    before = None
    if not instance._state.adding or instance._meta.pk.default is NOT_PROVIDED:
        before = locked_row(instance, using)
    instance.version = before.version + 1 if before else 1
    instance._locked = before


def row_was_saved(
    sender: type, instance: Any, raw: bool, using: str, created: bool, update_fields: Any = None, **kwargs: Any
) -> None:
    """Tell a saved row. Fixtures restore rows; they do not make them happen again."""
    if raw:
        return
    before = instance.__dict__.pop("_locked", None)
    if before is None and not created:
        raise Refused(
            f"{sender.__name__}.save() wrote over a row that was not there, or not loaded, when it began: "
            "get() the row and save() that."
        )
    after = settle(instance, using, partly=update_fields is not None)
    changed.send(instance._meta.concrete_model, before=None if created else before, after=after, using=using)


def row_will_be_deleted(sender: type, instance: Any, using: str, **kwargs: Any) -> None:
    """Lock the row, which may have changed since the instance was loaded."""
    instance._locked = locked_row(instance, using, to_delete=True)


def row_was_deleted(sender: type, instance: Any, using: str, **kwargs: Any) -> None:
    """Tell a deleted row as it last was; a row that somebody else deleted first was told by them."""
    before = instance.__dict__.pop("_locked", None)
    if before is not None:
        changed.send(instance._meta.concrete_model, before=before, after=None, using=using)


@receiver(class_prepared)
def listen_to(sender: Any, **kwargs: Any) -> None:
    """Hear of a model's writes, if it tells its changes.

    Of these alone: while anybody listens to the deletes of every model, Django reads each row that it deletes.
    """
    if issubclass(sender, PublishingModel) and not sender._meta.abstract:
        pre_save.connect(row_will_be_saved, sender=sender)
        post_save.connect(row_was_saved, sender=sender)
        pre_delete.connect(row_will_be_deleted, sender=sender)
        post_delete.connect(row_was_deleted, sender=sender)


def listen() -> None:
    """Hear the writes of all models there are; those that come later are heard as they come."""
    for model in apps.get_models(include_auto_created=True):
        listen_to(model)
