"""What a family's past says of its payees, kept for some seconds between the saves that ask for it.

Separate from the suggestions because it is a cache: to read and compare five hundred descriptions takes longer than to
save a transaction. It holds no rights. Who asks names the accounts that they may see, and hears of no other.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

from rapidfuzz import fuzz, process, utils

from ledger.events import Suggestion
from ledger.models import Payee, Transaction

PAST = 500
"""Newest transactions of the family looked at; as many payees."""
LONGEST = 200
LEAST_SCORE = 60
MOST = 5
KEPT_FOR = 5.0
"""Seconds after which what another process wrote is known to the saves of this one."""
FAMILIES = 200
"""Families whose past is kept; of each, as many answers."""
ANSWERS = 200

clock = time.monotonic


class Use(NamedTuple):
    """One text that stood for a payee, on an account; its own name does everywhere in the family."""

    text: str
    payee_id: UUID
    name: str
    account_id: UUID | None = None


class Memory:
    """The texts that stand for payees in one family, and what each description asked for came closest to."""

    def __init__(self, uses: Iterable[Use]) -> None:
        """Take the uses, newest first: where two payees share a text, the newest on the accounts one sees counts."""
        self._uses: dict[str, dict[UUID | None, Use]] = {}
        self._answers: dict[str, list[tuple[str, float]]] = {}
        for use in uses:
            if use.text:
                self._uses.setdefault(use.text, {}).setdefault(use.account_id, use)

    def reminds(self, description: str) -> bool:
        """Whether anything comes to mind, on whatever account."""
        return bool(self._closest(description))

    def suggest(self, description: str, accounts: Collection[UUID]) -> list[Suggestion]:
        """The payees that the description may mean to somebody who sees these accounts, best first."""
        best: dict[UUID, Suggestion] = {}
        for text, score in self._closest(description):
            for use in self._uses[text].values():
                if use.account_id is None or use.account_id in accounts:
                    best.setdefault(use.payee_id, Suggestion(use.payee_id, use.name, round(score)))
                    break
        return sorted(best.values(), key=lambda each: (-each.score, each.name))[:MOST]

    def _closest(self, description: str) -> list[tuple[str, float]]:
        wanted = utils.default_process(description[:LONGEST])
        if not wanted or not self._uses:
            return []
        # Looked up once and not again: other threads ask too, and may clear what is kept at any moment.
        answer = self._answers.get(wanted)
        if answer is None:
            hits = process.extract(
                wanted, self._uses.keys(), scorer=fuzz.token_set_ratio, score_cutoff=LEAST_SCORE, limit=None
            )
            if len(self._answers) >= ANSWERS:
                self._answers.clear()
            answer = self._answers[wanted] = [(text, score) for text, score, _ in hits]
        return answer


_kept: dict[UUID, tuple[float, Memory]] = {}


def read(family_id: UUID) -> Memory:
    """What the family's past says now. Two queries."""
    past = Transaction.objects.filter(account__family=family_id, payee__isnull=False).order_by("-pk")
    rows = past.values_list("description", "payee_id", "payee__name", "account_id")[:PAST]
    used = [Use(utils.default_process(text), payee, name, account) for text, payee, name, account in rows if payee]
    payees = Payee.objects.filter(family=family_id).order_by("-pk").values_list("pk", "name")[:PAST]
    return Memory([*used, *(Use(utils.default_process(name), payee, name) for payee, name in payees)])


def recall(family_id: UUID) -> Memory:
    """What its past said some seconds ago at most. Not for a transaction that has itself changed that past."""
    until, memory = _kept.get(family_id, (0.0, None))
    if memory is None or until < clock():
        memory = read(family_id)
        if len(_kept) >= FAMILIES:
            _kept.clear()
        _kept[family_id] = (clock() + KEPT_FOR, memory)
    return memory


def forget(family_id: UUID) -> None:
    """Have the family's past read again: this process has changed it."""
    _kept.pop(family_id, None)
