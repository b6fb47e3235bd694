"""Someone who writes to a family's accounts at random, in every way there is.

What is taken back (a transaction, a savepoint), and what is committed after others who began later, is part of the lot.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, QuerySet

from ledger.models import Account, Payee, Transaction
from ledger.services import balances, transfers
from ledger.services import credits as credit

DAWDLING = 0.03  # seconds for which a transaction may be left open, at most


class TakenBack(Exception):
    """The writer changed their mind."""


class RandomWriter:
    """Changes only rows of their own: no two writers need to agree on anything. The same seed does the same."""

    def __init__(self, family_id: UUID | str, seed: int) -> None:
        self._chance = random.Random(seed)
        self._family_id = family_id
        self._accounts: Sequence[Account] = list(Account.objects.filter(family=family_id).order_by("pk"))
        self._mark = uuid4().hex
        self._ways: list[Callable[[], object]] = [
            *[self.create] * 3,
            self.create_several,
            self.change,
            self.change_all,
            self.delete_some,
            self.transfer,
            self.rename_an_account,
            self.add_a_payee,
            self.earn_credit,
            self.dawdle,
            self.take_back,
            self.take_half_back,
        ]

    def write(self) -> None:
        """Do one of the things there are to do."""
        self._chance.choice(self._ways)()

    def create(self) -> None:
        self._new().save()

    def create_several(self) -> None:
        Transaction.objects.bulk_create([self._new() for _ in range(3)])

    def change(self) -> None:
        """Change the newest, and maybe move it to another account."""
        row = self._mine().order_by("-pk").first()
        if row is not None:
            row.amount, row.account = self._amount(), self._account()
            row.save()

    def change_all(self) -> None:
        self._mine().update(amount=F("amount") + 1)

    def delete_some(self) -> None:
        oldest = list(self._mine().order_by("pk").values_list("pk", flat=True)[:3])
        self._mine().filter(pk__in=oldest).delete()

    def transfer(self) -> None:
        source, target = self._chance.sample(self._accounts, 2)
        transfers.create(None, source, target, abs(self._amount()))

    def rename_an_account(self) -> None:
        account = self._account()
        Account.objects.filter(pk=account.pk).update(name=f"Account {self._chance.randrange(100)}")

    def add_a_payee(self) -> None:
        Payee.objects.create(family_id=self._family_id, name=uuid4().hex)

    def earn_credit(self) -> None:
        credit.change(self._account().owner, abs(self._amount()), "reward")

    def dawdle(self) -> None:
        """Write twice in one transaction, and be in no hurry to commit."""
        with balances.writing(*self._accounts):
            self.create()
            time.sleep(self._chance.uniform(0, DAWDLING))
            self.create()

    def take_back(self) -> None:
        with suppress(TakenBack), transaction.atomic():
            self.create_several()
            raise TakenBack

    def take_half_back(self) -> None:
        with balances.writing(*self._accounts):
            self.create()
            self.take_back()

    def _new(self) -> Transaction:
        return Transaction(account=self._account(), amount=self._amount(), category=self._mark)

    def _mine(self) -> QuerySet[Transaction]:
        return Transaction.objects.filter(category=self._mark)

    def _account(self) -> Account:
        return self._chance.choice(self._accounts)

    def _amount(self) -> Decimal:
        return Decimal(self._chance.randrange(1, 10_000)).scaleb(-2) * self._chance.choice([1, -1])
