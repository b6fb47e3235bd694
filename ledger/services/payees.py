"""Payee suggestions: what a description may mean, learned from the family's own past."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from rapidfuzz import fuzz, process, utils

from accounts.models import User
from ledger import access, events
from ledger.events import Suggestion
from ledger.models import Payee, Transaction
from ledger.services import balances

PAST = 500
"""Newest transactions looked at; as many payees."""
LONGEST = 200
LEAST_SCORE = 60
MOST = 5

Known = dict[str, tuple[UUID, str]]


def suggest(family_id: UUID, description: str, *, user: User | None = None) -> list[Suggestion]:
    """The payees a description may mean, best first: from past transactions that the user may see, and from names.

    Without a user, nothing is learned from private accounts.
    """
    return _ranked(description, _known(family_id, user))


def tell_about(transaction: Transaction, using: str) -> None:
    """Suggest payees to who wrote a new transaction without one, if anything comes to mind."""
    user = transaction.created_by
    if transaction.payee_id is not None or user is None or not transaction.description.strip():
        return
    family_id = balances.account(transaction.account_id, using).family_id
    known = balances.once(("payees", family_id, user.pk), _asking(family_id, user))
    if suggestions := _ranked(transaction.description, known):
        events.payee_suggestion(user.pk, transaction.description, suggestions, transaction.pk)


def _asking(family_id: UUID, user: User) -> Callable[[], Known]:
    return lambda: _known(family_id, user)


def _known(family_id: UUID, user: User | None) -> Known:
    """Texts that stand for a payee; where two payees share one, the newest use counts."""
    visible = access.visible_accounts(user) if user else access.accounts_open_to_family(family_id)
    past = Transaction.objects.filter(account__in=visible.filter(family=family_id), payee__isnull=False)
    used = past.order_by("-pk").values_list("description", "payee_id", "payee__name")[:PAST]
    known: Known = {}
    for description, payee_id, name in used:
        if text := utils.default_process(description):
            known.setdefault(text, (payee_id, name))
    for payee_id, name in Payee.objects.filter(family=family_id).order_by("-pk").values_list("pk", "name")[:PAST]:
        known.setdefault(utils.default_process(name), (payee_id, name))
    return known


def _ranked(description: str, known: Known) -> list[Suggestion]:
    wanted = utils.default_process(description[:LONGEST])
    if not wanted or not known:
        return []
    hits = process.extract(wanted, known.keys(), scorer=fuzz.token_set_ratio, score_cutoff=LEAST_SCORE, limit=None)
    best: dict[UUID, Suggestion] = {}
    for text, score, _ in hits:
        payee_id, name = known[text]
        best.setdefault(payee_id, Suggestion(payee_id, name, round(score)))
    return sorted(best.values(), key=lambda each: (-each.score, each.name))[:MOST]
