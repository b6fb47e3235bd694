"""The law of the books over random paths: whatever writes, sums and balances agree, and each changed row is told."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.sites import site
from django.contrib.admin.utils import get_deleted_objects
from django.db import connection, transaction
from django.db.models import F
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from accounts.models import Family, User
from ledger.errors import LedgerError
from ledger.models import Account, Payee, Transaction, Transfer
from ledger.services import balances, transfers
from realtime.models import Outgoing
from tests.ledger.conftest import assert_the_law_holds

AMOUNTS = st.integers(min_value=-100_000, max_value=100_000).map(lambda units: Decimal(units).scaleb(-2))
STATUSES = st.sampled_from(["pending", "posted", "void"])
SEVERAL = st.lists(st.integers(min_value=0, max_value=50), max_size=6)
ONE = st.integers(min_value=0, max_value=50)


class Books(RuleBasedStateMachine):
    """Two families' writers who use every path there is, and sometimes change their mind."""

    @initialize()
    def open(self) -> None:
        self.outer = transaction.atomic()
        self.outer.__enter__()
        owner = User.objects.create(username="owner")
        self.family = Family.objects.create(name="Family")
        self.accounts = [
            Account.objects.create(family=self.family, owner=owner, name=name, currency="EUR", is_private=name == "c")
            for name in "abc"
        ]
        self.payees = [Payee.objects.create(family=self.family, name=name) for name in ("x", "y")]

    def teardown(self) -> None:
        if hasattr(self, "outer"):
            transaction.set_rollback(True)
            self.outer.__exit__(None, None, None)

    def pick(self, numbers: list[int]) -> list[Transaction]:
        rows = list(Transaction.objects.order_by("pk"))
        places = sorted({number % len(rows) for number in numbers}) if rows else []
        return [rows[place] for place in places]

    def single(self, numbers: list[int]) -> list[Transaction]:
        return [row for row in self.pick(numbers) if row.transfer_id is None]

    @rule(number=ONE, amount=AMOUNTS, status=STATUSES)
    def create(self, number: int, amount: Decimal, status: str) -> None:
        account = self.accounts[number % 3]
        Transaction.objects.create(account=account, amount=amount, status=status, payee=self.payee(number))

    @rule(lot=st.lists(st.tuples(ONE, AMOUNTS, STATUSES), max_size=5))
    def bulk_create(self, lot: list[tuple[int, Decimal, str]]) -> None:
        Transaction.objects.bulk_create(
            Transaction(account=self.accounts[number % 3], amount=amount, status=status, payee=self.payee(number))
            for number, amount, status in lot
        )

    @rule(numbers=SEVERAL, number=ONE, amount=AMOUNTS, status=STATUSES)
    def save(self, numbers: list[int], number: int, amount: Decimal, status: str) -> None:
        for row in self.single(numbers):
            row.account, row.amount, row.status = self.accounts[number % 3], amount, status
            row.save()

    @rule(numbers=SEVERAL, amount=AMOUNTS, status=STATUSES)
    def bulk_update(self, numbers: list[int], amount: Decimal, status: str) -> None:
        rows = self.single(numbers)
        for place, row in enumerate(rows):
            row.account, row.amount, row.status = self.accounts[place % 3], amount, status
        Transaction.objects.bulk_update(rows, ["account", "amount", "status"], batch_size=2)

    @rule(numbers=SEVERAL, number=ONE)
    def update(self, numbers: list[int], number: int) -> None:
        rows = Transaction.objects.filter(pk__in=[row.pk for row in self.single(numbers)])
        rows.update(amount=F("amount") + 1, account=self.accounts[number % 3])

    @rule(numbers=SEVERAL)
    def delete_each(self, numbers: list[int]) -> None:
        for row in self.single(numbers):
            row.delete()

    @rule(numbers=SEVERAL)
    def delete_several(self, numbers: list[int]) -> None:
        Transaction.objects.filter(pk__in=[row.pk for row in self.single(numbers)]).delete()

    @rule(numbers=SEVERAL)
    def delete_in_the_admin(self, numbers: list[int]) -> None:
        model_admin = site.get_model_admin(Transaction)
        queryset = Transaction.objects.filter(pk__in=[row.pk for row in self.single(numbers)])
        get_deleted_objects(queryset, _request(), site)
        model_admin.delete_queryset(_request(), queryset)

    @rule(source=ONE, step=st.integers(min_value=1, max_value=2), amount=AMOUNTS)
    def transfer(self, source: int, step: int, amount: Decimal) -> None:
        if amount > 0:
            transfers.create(None, self.accounts[source % 3], self.accounts[(source + step) % 3], amount)

    @rule(amount=AMOUNTS, status=STATUSES)
    def change_a_transfer(self, amount: Decimal, status: str) -> None:
        known = Transfer.objects.order_by("pk").last()
        if known is not None and amount > 0:
            transfers.change(known, amount=amount, status=status)

    @rule()
    def delete_transfers(self) -> None:
        Transfer.objects.filter(pk__in=list(Transfer.objects.values_list("pk", flat=True)[:2])).delete()

    @rule(numbers=SEVERAL, amount=AMOUNTS)
    def meddle_with_legs(self, numbers: list[int], amount: Decimal) -> None:
        legs = [row.pk for row in self.pick(numbers) if row.transfer_id is not None and row.amount != amount]
        if legs:
            with pytest.raises(LedgerError), transaction.atomic():
                Transaction.objects.filter(pk__in=legs).update(amount=amount)
            with pytest.raises(LedgerError), transaction.atomic():
                Transaction.objects.filter(pk__in=legs).delete()

    @rule(number=ONE)
    def delete_a_payee(self, number: int) -> None:
        place = number % 2
        self.payees[place].delete()
        self.payees[place] = Payee.objects.create(family=self.family, name="xy"[place])

    @rule(number=ONE)
    def delete_an_account(self, number: int) -> None:
        gone = self.accounts[number % 3]
        Transfer.objects.filter(from_account=gone).delete()
        Transfer.objects.filter(to_account=gone).delete()
        self.accounts[number % 3] = Account.objects.create(
            family=self.family, owner=gone.owner, name=gone.name, currency="EUR", is_private=gone.is_private
        )
        gone.delete()

    @rule(number=ONE)
    def switch_privacy(self, number: int) -> None:
        # As after a commit: what was told until here was told by another transaction, as it has to be.
        connection.run_on_commit.clear()
        account = Account.objects.get(pk=self.accounts[number % 3].pk)
        account.is_private = not account.is_private
        account.save()

    @rule(amount=AMOUNTS)
    def change_ones_mind(self, amount: Decimal) -> None:
        with suppress(ZeroDivisionError), balances.writing(*self.accounts):
            self.create(0, amount, "posted")
            self.bulk_create([(1, amount, "pending"), (2, amount, "posted")])
            self.delete_several([0, 1, 2])
            raise ZeroDivisionError

    @invariant()
    def the_law_holds(self) -> None:
        if hasattr(self, "outer"):
            assert_the_law_holds()

    @invariant()
    def the_family_was_told_the_balances(self) -> None:
        """The last balance told of each account is the one it has."""
        if not hasattr(self, "outer"):
            return
        told: dict[str, str] = {}
        for data in Outgoing.objects.filter(type="AccountBalanceUpdate").order_by("pk").values_list("data", flat=True):
            event = json.loads(data)
            told[event["account_id"]] = event["balance"]
        for account in Account.objects.select_related("balance_row"):
            assert told.get(str(account.pk), "0.00") == f"{account.balance_row.balance:.2f}"

    def payee(self, number: int) -> Payee | None:
        return [*self.payees, None][number % 3]


def _request() -> Any:
    from django.test import RequestFactory

    request = RequestFactory().post("/")
    request.user = User(username="root", is_superuser=True, is_active=True, is_staff=True)
    return request


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_sum_of_posted_transactions_is_the_balance_over_any_sequence_of_writes(db: None) -> None:
    examples = max(10, settings().max_examples // 3)
    run_state_machine_as_test(Books, settings=settings(settings(), max_examples=examples, stateful_step_count=20))
