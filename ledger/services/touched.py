"""Which balances a write will touch, said before it happens, as a condition on Balance.

Separate from the books because these are questions only: each becomes part of the one query that takes the locks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from accounts.models import Membership, User
from ledger.models import AccountShare, Transaction


def by_ids(ids: Collection[UUID | None]) -> Q:
    """The balances of the accounts with these ids."""
    wanted = sorted({id for id in ids if id is not None})
    return Q(pk=wanted[0]) if len(wanted) == 1 else Q(pk__in=wanted)


def the_one(which: Q) -> Any:
    """The id of the account, where the condition names one and no more; None otherwise."""
    only = which.children[0] if len(which.children) == 1 else None
    return only[1] if isinstance(only, tuple) and only[0] == "pk" and not which.negated else None


def of_accounts(accounts: QuerySet[Any]) -> Q:
    """The balances of these accounts."""
    return Q(pk__in=accounts.order_by().values("pk")) if _plain(accounts) else _NONE


def of_shares(shares: QuerySet[Any]) -> Q:
    """The balances of the accounts that are shared by these rows."""
    return Q(pk__in=shares.order_by().values("account_id")) if _plain(shares) else _NONE


def of_saved_shares(shares: Collection[AccountShare]) -> Q:
    """The balances that saving these instances touches: of what they share, and of what they shared."""
    wanted = by_ids({each.account_id for each in shares})
    stored = [each.pk for each in shares if not each._state.adding]
    return wanted | of_shares(AccountShare.objects.filter(pk__in=stored)) if stored else wanted


def of_everything(users: QuerySet[User]) -> Q:
    """The balances of all accounts that the users see as members or by a share, active or not."""
    families = Membership.objects.filter(user__in=users).values("family_id")
    shared = AccountShare.objects.filter(user__in=users).values("account_id")
    return Q(account__family__in=families) | Q(pk__in=shared)


def of_transactions(transactions: QuerySet[Any]) -> Q:
    """The balances of the accounts that these transactions are on."""
    return Q(pk__in=transactions.order_by().values("account_id")) if _plain(transactions) else _NONE


def of_instances(transactions: Collection[Any]) -> Q:
    """The balances that saving or deleting these instances touches: where they are, and where they shall be."""
    stored = Transaction.objects.filter(pk__in=[each.pk for each in transactions])
    return by_ids({each.account_id for each in transactions}) | of_transactions(stored)


def of_update(transactions: QuerySet[Any], values: Mapping[str, Any]) -> Q:
    """The balances that ``update(**values)`` touches: where the transactions are, and where they shall be."""
    target = values.get("account", values.get("account_id"))
    which = of_transactions(transactions)
    return which if target is None else which | Q(pk=target.pk if isinstance(target, Model) else target)


def of_payees(payees: QuerySet[Any]) -> Q:
    """The balances of the accounts on which these payees occur."""
    if not _plain(payees):
        return _NONE
    return of_transactions(Transaction.objects.filter(payee__in=payees.order_by()))


def of_transfers(transfers: QuerySet[Any]) -> Q:
    """The balances on both ends of these transfers."""
    if not _plain(transfers):
        return _NONE
    return of_transactions(Transaction.objects.filter(transfer__in=transfers.order_by()))


_NONE = Q(pk__in=[])


def _plain(rows: QuerySet[Any]) -> bool:
    """Whether the queryset can be a condition; what cannot is about to be refused with a better message."""
    query = rows.query
    return not (query.is_sliced or query.combinator or query.distinct or query.group_by)
