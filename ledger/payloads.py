"""A row as JSON: one function for each, shared by events, snapshots and REST, so that they cannot differ.

Everything is text, number, bool or None already: times by RFC 3339, ids and money as strings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias
from uuid import UUID

from accounts.models import User
from ledger.models import (
    Account,
    Balance,
    CreditBalance,
    CreditEntry,
    Notification,
    Payee,
    Rule,
    RuleRun,
    Transaction,
    Transfer,
)
from ledger.money import format_credit, format_money
from realtime.protocol.messages import timestamp

Json: TypeAlias = dict[str, Any]

MASK = "••••"


def transaction_data(transaction: Transaction, account: Account | None = None) -> Json:
    """A transaction as every reader of its account sees it.

    For many, ``select_related("account", "payee", "created_by")``.
    """
    account = account or transaction.account
    return {
        "id": str(transaction.pk),
        "account_id": str(transaction.account_id),
        "amount": format_money(transaction.amount, account.currency),
        "currency": account.currency,
        "status": transaction.status,
        "description": transaction.description,
        "payee_id": _id(transaction.payee_id),
        "payee_name": transaction.payee.name if transaction.payee else None,
        "category": transaction.category,
        "date": transaction.date.isoformat(),
        "created_by": _id(transaction.created_by_id),
        "created_by_name": person_name(transaction.created_by) if transaction.created_by else None,
        "transfer_id": _id(transaction.transfer_id),
        "created_at": timestamp(transaction.created_at),
        "updated_at": timestamp(transaction.updated_at),
        "version": transaction.version,
    }


def account_data(
    account: Account,
    *,
    full_number: bool = False,
    row: Balance | None = None,
    shared_with: Iterable[UUID] | None = None,
) -> Json:
    """An account with what is on it. For many, ``select_related("balance_row")`` and ``prefetch_related("shares")``.

    The number is masked unless the caller knows that this reader may see it in full; on a topic it always is.
    ``row`` and ``shared_with`` are for who has fresher ones than the instance may hold.
    """
    row = row or account.balance_row
    if shared_with is None:
        shared_with = (share.user_id for share in account.shares.all())
    return {
        "id": str(account.pk),
        "family_id": str(account.family_id),
        "owner_id": str(account.owner_id),
        "name": account.name,
        "type": account.type,
        "currency": account.currency,
        "number": account.number if full_number else masked(account.number),
        "is_private": account.is_private,
        "shared_with": sorted(map(str, shared_with)),
        "balance": format_money(row.balance, account.currency),
        "available_balance": format_money(row.available_balance, account.currency),
        "version": account.version,
    }


def balance_data(row: Balance, account: Account) -> Json:
    """What is on an account."""
    return {
        "account_id": str(account.pk),
        "balance": format_money(row.balance, account.currency),
        "available_balance": format_money(row.available_balance, account.currency),
        "currency": account.currency,
        "version": row.version,
    }


def transfer_data(transfer: Transfer) -> Json:
    """A transfer, for readers of both accounts."""
    currency = transfer.from_account.currency
    return {
        "id": str(transfer.pk),
        "family_id": str(transfer.family_id),
        "from_account_id": str(transfer.from_account_id),
        "to_account_id": str(transfer.to_account_id),
        "amount": format_money(transfer.amount, currency),
        "currency": currency,
        "description": transfer.description,
        "date": transfer.date.isoformat(),
        "created_by": _id(transfer.created_by_id),
        "created_at": timestamp(transfer.created_at),
        "version": transfer.version,
    }


def payee_data(payee: Payee) -> Json:
    """A payee, for the family."""
    return {
        "id": str(payee.pk),
        "family_id": str(payee.family_id),
        "name": payee.name,
        "category": payee.category,
        "version": payee.version,
    }


def rule_data(rule: Rule) -> Json:
    """A rule, for those who may see it. Its bounds are not of one currency: they keep up to four decimals."""
    return {
        "id": str(rule.pk),
        "family_id": str(rule.family_id),
        "name": rule.name,
        "priority": rule.priority,
        "is_active": rule.is_active,
        "description_contains": rule.description_contains,
        "amount_min": _bound(rule.amount_min),
        "amount_max": _bound(rule.amount_max),
        "account_id": _id(rule.account_id),
        "set_category": rule.set_category,
        "set_payee_id": _id(rule.set_payee_id),
        "created_by": _id(rule.created_by_id),
        "version": rule.version,
    }


def rule_run_data(run: RuleRun) -> Json:
    """What one run of a rule did."""
    return {
        "rule_id": str(run.rule_id),
        "run_id": str(run.pk),
        "trigger": run.trigger,
        "matched_count": run.matched_count,
        "changed_count": run.changed_count,
    }


def credit_data(credit: CreditBalance) -> Json:
    """How much credit a user has."""
    return {
        "user_id": str(credit.user_id),
        "balance": format_credit(credit.balance),
        "version": credit.version,
        "updated_at": timestamp(credit.updated_at),
    }


def credit_entry_data(entry: CreditEntry) -> Json:
    """One change of a user's credit."""
    return {
        "id": str(entry.pk),
        "user_id": str(entry.user_id),
        "change": format_credit(entry.change),
        "balance_after": format_credit(entry.balance_after),
        "reason": entry.reason,
        "metadata": entry.metadata,
        "created_at": timestamp(entry.created_at),
    }


def notification_data(notice: Notification) -> Json:
    """A notice, for whom it is addressed to."""
    return {
        "notification_id": str(notice.pk),
        "level": notice.level,
        "title": notice.title,
        "message": notice.message,
        "created_at": timestamp(notice.created_at),
        "expires_at": timestamp(notice.expires_at) if notice.expires_at else None,
    }


def masked(number: str) -> str:
    """The last four characters of an account's number, if there are more; nothing for none."""
    if not number:
        return ""
    return MASK + (number[-4:] if len(number) > 4 else "")


def person_name(user: User) -> str:
    """What others call a user: their full name, else the name they sign in with."""
    return user.get_full_name() or user.username


def _id(value: object) -> str | None:
    return None if value is None else str(value)


def _bound(value: Any) -> str | None:
    if value is None:
        return None
    text = f"{value:.4f}".rstrip("0")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<2}"
