"""Payee suggestions: what a description may mean, learned from the family's own past."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from uuid import UUID

from accounts.models import User
from ledger import access, events
from ledger.events import Suggestion
from ledger.models import Transaction
from ledger.services import balances, memory
from ledger.services.memory import LONGEST, MOST, Memory
from realtime import outbox

__all__ = ["LONGEST", "MOST", "Suggestion", "changed", "suggest", "tell_about"]


def suggest(family_id: UUID, description: str, *, user: User | None = None) -> list[Suggestion]:
    """The payees a description may mean, best first: from past transactions that the user may see, and from names.

    Without a user, nothing is learned from private accounts.
    """
    known = memory.read(family_id)
    return known.suggest(description, _accounts(family_id, user)) if known.reminds(description) else []


def tell_about(transaction: Transaction, using: str) -> None:
    """Suggest payees to who wrote a new transaction without one, if anything comes to mind."""
    user = transaction.created_by
    if transaction.payee_id is not None or user is None or not transaction.description.strip():
        return
    family_id = balances.account(transaction.account_id, using).family_id
    known = balances.once(("payees", family_id), partial(_known, family_id, transaction, using))
    if not known.reminds(transaction.description):
        return
    # Asked anew each time, unlike the past: what the family's accounts say is for those alone who see them now.
    accounts = balances.once(("sees", family_id, user.pk), partial(_accounts, family_id, user))
    if suggestions := known.suggest(transaction.description, accounts):
        events.payee_suggestion(user.pk, transaction.description, suggestions, transaction.pk)


def changed(family_id: UUID) -> None:
    """Say that a payee, or what stands for one, was written."""
    memory.forget(family_id)


def _known(family_id: UUID, transaction: Transaction, using: str) -> Memory:
    """What is kept, unless the open transaction has written before: that may never be committed, and is its alone."""
    if outbox.keys(using=using) <= {events.transaction_key(transaction)}:
        return memory.recall(family_id)
    return memory.read(family_id)


def _accounts(family_id: UUID, user: User | None) -> Collection[UUID]:
    visible = access.visible_accounts(user) if user else access.accounts_open_to_family(family_id)
    return set(visible.filter(family=family_id).values_list("pk", flat=True))
