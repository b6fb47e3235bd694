"""What ``Request`` and the snapshot endpoint may ask of the ledger: state, as events continue it.

Everything looks as it does on a topic, an account's number masked for everyone: a snapshot and the events after it are
one story. What does not exist and what the user may not see are both ``not_found``.
"""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from django.db.models import Q, QuerySet
from django.utils import timezone
from msgspec import Meta

from accounts.access import families_of
from accounts.models import User
from ledger import access
from ledger.events import NOTICE
from ledger.models import Account, Balance, Transaction
from ledger.payloads import account_data, balance_data, credit_data, notification_data, transaction_data
from ledger.services import payees
from ledger.services.credits import balance_of
from realtime import receipts
from realtime.resources import InvalidParams, NotFound, resource

MOST_ACCOUNTS = 1000
MOST_TRANSACTIONS = 500
MOST_NOTIFICATIONS = 100
LONGEST_DESCRIPTION = 200

Limit = Annotated[int, Meta(ge=1, le=MOST_TRANSACTIONS)]
Description = Annotated[str, Meta(max_length=LONGEST_DESCRIPTION)]


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No parameters."""


class OfAccount(msgspec.Struct, forbid_unknown_fields=True):
    """One account."""

    account_id: UUID


class OfAccountOrFamily(msgspec.Struct, forbid_unknown_fields=True):
    """One account, or all of a family's that the user may see."""

    account_id: UUID | None = None
    family_id: UUID | None = None
    limit: Limit = 50


class ForDescription(msgspec.Struct, forbid_unknown_fields=True):
    """A description, in a family."""

    family_id: UUID
    description: Description


@resource("accounts", Nothing)
def accounts(user: User, params: Nothing) -> list[dict[str, Any]]:
    """The accounts the user may see, by name."""
    rows = access.visible_accounts(user).select_related("balance_row").prefetch_related("shares")
    return [account_data(row) for row in rows.order_by("name", "pk")[:MOST_ACCOUNTS]]


@resource("account_balance", OfAccount)
def account_balance(user: User, params: OfAccount) -> dict[str, Any]:
    """What is on an account."""
    visible = access.visible_accounts(user).filter(pk=params.account_id)
    row = Balance.objects.select_related("account").filter(account__in=visible).first()
    if row is None:
        raise NotFound
    return balance_data(row, row.account)


@resource("transactions", OfAccountOrFamily)
def transactions(user: User, params: OfAccountOrFamily) -> list[dict[str, Any]]:
    """The newest transactions of an account or a family, newest first."""
    accounts = _accounts(user, params).values("pk")
    rows = Transaction.objects.filter(account__in=accounts).select_related("account", "payee", "created_by")
    return [transaction_data(row) for row in rows.order_by("-date", "-pk")[: params.limit]]


@resource("credit_balance", Nothing)
def credit_balance(user: User, params: Nothing) -> dict[str, Any]:
    """The user's own credit."""
    return credit_data(balance_of(user))


@resource("notifications", Nothing)
def notifications(user: User, params: Nothing) -> list[dict[str, Any]]:
    """The notices to the user that have not expired and that they have not acknowledged, newest first."""
    current = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    acknowledged = [name.removeprefix(NOTICE) for name in receipts.confirmed_things(user, NOTICE)]
    rows = access.visible_notifications(user).filter(current).exclude(pk__in=acknowledged).order_by("-pk")
    return [notification_data(row) for row in rows[:MOST_NOTIFICATIONS]]


@resource("payee_suggestions", ForDescription)
def payee_suggestions(user: User, params: ForDescription) -> dict[str, Any]:
    """Payees that a description may mean, best first."""
    if not families_of(user).filter(pk=params.family_id).exists():
        raise NotFound
    suggestions = payees.suggest(params.family_id, params.description, user=user)
    return {"description": params.description, "suggestions": [each._asdict() for each in suggestions]}


def _accounts(user: User, params: OfAccountOrFamily) -> QuerySet[Account]:
    """The accounts that the params mean, of those the user may see. Raises NotFound, InvalidParams."""
    visible = access.visible_accounts(user)
    if (params.account_id is None) == (params.family_id is None):
        raise InvalidParams("Give either account_id or family_id.")
    if params.family_id is not None:
        rows, is_there = visible.filter(family=params.family_id), families_of(user).filter(pk=params.family_id).exists()
    else:
        rows = visible.filter(pk=cast("UUID", params.account_id))
        is_there = rows.exists()
    if not is_there:
        raise NotFound
    return rows
