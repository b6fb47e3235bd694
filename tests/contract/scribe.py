"""Someone who writes what they are told to, by number: so that a sequence of writes can be made up, and cut short.

Unlike the random writer, which writes much and among others, this one is to find the shortest way to a mistake.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F, ProtectedError, QuerySet

from ledger.errors import LedgerError
from ledger.models import Account, Notification, Payee, Rule, Transaction, Transfer
from ledger.services import credits as credit
from ledger.services import notices, rules, transfers
from realtime.models import Refused
from tests.contract.world import World

STATUSES = ("posted", "pending", "void")


class Write(NamedTuple):
    """One thing to do: a method's name, and two numbers that it picks rows and values by."""

    way: str
    a: int
    b: int


class TakenBack(Exception):
    """What was written shall not have been."""


class NoAccountLeft(Exception):
    """There is nothing to write to: all accounts were closed."""


class Scribe:
    """Writes to the family of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def write(self, writes: Iterable[Write], *, together: bool = False, taken_back: bool = False) -> None:
        """Do the writes one by one, or as one transaction, which may be rolled back. What is refused is left out."""
        if not together:
            for each in writes:
                self._do(each)
            return
        with suppress(TakenBack), transaction.atomic():
            self.write(writes)
            if taken_back:
                raise TakenBack

    def _do(self, write: Write) -> None:
        with suppress(LedgerError, Refused, ProtectedError, IntegrityError, NoAccountLeft), transaction.atomic():
            getattr(self, write.way)(write.a, write.b)

    def create(self, a: int, b: int) -> None:
        self._new(a, b).save()

    def create_several(self, a: int, b: int) -> None:
        Transaction.objects.bulk_create([self._new(a + n, b) for n in range(3)])

    def change(self, a: int, b: int) -> None:
        for row in self._pick(self._rows(), a):
            row.amount, row.status = _amount(b), STATUSES[b % 3]
            row.save()

    def change_several(self, a: int, b: int) -> None:
        rows = list(self._rows()[a % 3 : a % 3 + 3])
        for row in rows:
            row.amount = _amount(b)
        Transaction.objects.bulk_update(rows, ["amount"])

    def add_to_all(self, a: int, b: int) -> None:
        self._rows().filter(account=self._account(a)).update(amount=F("amount") + b)

    def move(self, a: int, b: int) -> None:
        for row in self._pick(self._rows(), a):
            row.account = self._account(b)
            row.save()

    def delete(self, a: int, b: int) -> None:
        for row in self._pick(self._rows(), a):
            row.delete()

    def delete_all(self, a: int, b: int) -> None:
        self._rows().filter(account=self._account(a)).delete()

    def transfer(self, a: int, b: int) -> None:
        transfers.create(self._world.alice, self._account(a), self._account(b), abs(_amount(b)))

    def undo_transfer(self, a: int, b: int) -> None:
        for row in self._pick(Transfer.objects.filter(family=self._world.family).order_by("pk"), a):
            row.delete()

    def add_payee(self, a: int, b: int) -> None:
        Payee.objects.create(family=self._world.family, name=f"Payee {a}")

    def rename_payee(self, a: int, b: int) -> None:
        for row in self._pick(self._payees(), a):
            row.name = f"Payee {b} renamed"
            row.save()

    def delete_payee(self, a: int, b: int) -> None:
        for row in self._pick(self._payees(), a):
            row.delete()

    def rename_account(self, a: int, b: int) -> None:
        Account.objects.filter(pk=self._account(a).pk).update(name=f"Account {b}")

    def open_account(self, a: int, b: int) -> None:
        world = self._world
        Account.objects.create(
            family=world.family, owner=world.alice, name=f"Extra {a}", currency="EUR", is_private=b % 2 == 0
        )

    def close_account(self, a: int, b: int) -> None:
        self._account(a).delete()

    def switch_privacy(self, a: int, b: int) -> None:
        account = self._account(a)
        account.is_private = not account.is_private
        account.save()

    def add_rule(self, a: int, b: int) -> None:
        account = self._account(a) if b % 2 else None
        Rule.objects.create(
            family=self._world.family,
            name=f"Rule {a}",
            description_contains=f"written {b % 3}",
            set_category=f"category {b}",
            account=account,
            created_by=self._world.alice,
        )

    def run_rule(self, a: int, b: int) -> None:
        for rule in self._pick(self._rules(), a):
            rules.run_history(rule, self._world.alice)

    def delete_rule(self, a: int, b: int) -> None:
        for rule in self._pick(self._rules(), a):
            rule.delete()

    def earn(self, a: int, b: int) -> None:
        for user in (self._world.alice, self._world.vera):
            credit.change(user, abs(_amount(b)), "reward")

    def notify(self, a: int, b: int) -> None:
        notices.send(f"Notice {a}", family=self._world.family)

    def take_notice_back(self, a: int, b: int) -> None:
        for row in self._pick(Notification.objects.filter(family=self._world.family).order_by("pk"), a):
            row.delete()

    def _new(self, a: int, b: int) -> Transaction:
        payee = next(iter(self._pick(self._payees(), a)), None) if b % 2 else None
        return Transaction(
            account=self._account(a),
            amount=_amount(b),
            status=STATUSES[a % 3],
            description=f"written {a % 3}",
            payee=payee,
            created_by=self._world.bob,
        )

    def _account(self, number: int) -> Account:
        for account in self._pick(Account.objects.filter(family=self._world.family).order_by("pk"), number):
            return account
        raise NoAccountLeft

    def _rows(self) -> QuerySet[Transaction]:
        return Transaction.objects.filter(account__family=self._world.family, transfer=None).order_by("pk")

    def _payees(self) -> QuerySet[Payee]:
        return Payee.objects.filter(family=self._world.family).order_by("pk")

    def _rules(self) -> QuerySet[Rule]:
        return Rule.objects.filter(family=self._world.family).order_by("pk")

    @staticmethod
    def _pick(rows, number):  # type: ignore[no-untyped-def]
        """The row of that number, counted round and round; none if there are none."""
        known = list(rows)
        return known[number % len(known) :][:1] if known else []


WAYS = sorted(name for name in vars(Scribe) if not name.startswith("_") and name != "write")


def _amount(number: int) -> Decimal:
    return Decimal(number * 7 - 30).scaleb(-1) or Decimal(1)
