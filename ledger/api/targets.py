"""What a request writes to, or refers to: found among what the user sees, then asked for its rights.

Separate so that "unknown" and "forbidden" cannot come apart: every resource finds things here.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.core.exceptions import ValidationError as InvalidValue
from django.db import router
from django.db.models import Model, QuerySet
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError

from accounts.access import families_of, hold_roles, may_write
from accounts.models import Family, User
from ledger import access
from ledger.errors import AmountRefused
from ledger.models import Account
from ledger.money import check_amount, check_credit
from realtime.holding import keep
from realtime.publishing import PublishingModel, locked_row

Row = TypeVar("Row", bound=Model)

MAY_NOT_WRITE = _("You may read this, but not change it: ask an owner or admin of the family.")
MAY_NOT_MANAGE = _("Only the account's owner and the family's owners and admins may do this.")


def found(rows: QuerySet[Row], id: object) -> Row:
    """Return the row with this id among those the user may see; raises one and the same ``NotFound`` otherwise."""
    try:
        return rows.get(pk=id)
    except (ObjectDoesNotExist, InvalidValue, ValueError, TypeError):
        raise NotFound from None


def check_referred(field: str, rows: QuerySet[Any], id: object, what: str) -> None:
    """Keep the row that a field refers to from being deleted until the transaction ends.

    Raises the same ``ValidationError`` for unknown and forbidden, and for what has just been deleted.
    """
    if not keep(rows.filter(pk=id)):
        raise ValidationError({field: [_("Give the id of {what}.").format(what=what)]})


def require(allowed: bool, reason: StrPromise | str = MAY_NOT_WRITE) -> None:
    """Raise ``PermissionDenied`` with ``reason``; for what the user can see, so that the answer tells nothing new."""
    if not allowed:
        raise PermissionDenied(reason)


def writable_account(user: User, id: object) -> Account:
    """Return an account that the user may write transactions on."""
    account = found(access.visible_accounts(user), id)
    require(may_write(user, account.family_id))
    return account


def writable_family(user: User, id: object) -> Family:
    """Return a family whose ledger the user may write."""
    family = found(families_of(user), id)
    require(may_write(user, family.pk))
    return family


def hold_family(user: User, id: UUID, *others: UUID) -> None:
    """Let nobody change what the user, or one of the ``others``, may do in the family until the transaction ends.

    Nothing is held of a family that the user is not in. Ask for rights only then: they may just have been taken away.
    """
    families = families_of(user).filter(pk=id)
    keep(families)  # ahead of what goes with a family, as who deletes one does
    hold_roles(families, [user.pk, *others])


def exact(field: str, amount: Decimal, currency: str) -> Decimal:
    """Return ``amount`` if the currency can express it; raises ``ValidationError`` for the field otherwise."""
    return _exact(field, lambda: check_amount(amount, currency))


def exact_credit(field: str, amount: Decimal) -> Decimal:
    """Return ``amount`` if it is one of credit; raises ``ValidationError`` for the field otherwise."""
    return _exact(field, lambda: check_credit(amount))


def hold(row: PublishingModel, *, to_delete: bool = False) -> None:
    """Let nobody else change the row until the transaction ends. Read it again then: others may just have done so."""
    locked_row(row, router.db_for_write(type(row)), to_delete=to_delete)


def _exact(field: str, checked: Callable[[], Decimal]) -> Decimal:
    try:
        return checked()
    except AmountRefused as error:
        raise ValidationError({field: [str(error)]}) from error
