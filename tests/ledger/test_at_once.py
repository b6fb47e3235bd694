"""Writers that come at the same moment, on real connections: nobody sees a deadlock, and the books are right."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Family, User
from ledger.errors import InsufficientCredit
from ledger.models import Account, AccountShare, Payee, Transaction, Transfer
from ledger.services import balances, transfers
from ledger.services import credits as credit
from ledger.topics import account_topic
from realtime import log
from realtime.models import Event
from tests.ledger.conftest import assert_the_law_holds, on_it

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8
ROUNDS = 5


def together(*works: Callable[[], object]) -> None:
    """Do each in a thread of its own, started at one moment; raise what any of them raises."""
    start = Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        start.wait()
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        for ended in [pool.submit(run, work) for work in works]:
            ended.result()


def by_all(work: Callable[[int], object]) -> None:
    """Let every thread do ``work`` (with its number) some times over."""

    def times(number: int) -> Callable[[], object]:
        return lambda: [work(number) for _ in range(ROUNDS)]

    together(*(times(number) for number in range(THREADS)))


def test_transfers_in_opposite_directions_wait_for_each_other(alice: User, account: Account, savings: Account) -> None:
    def there_and_back(number: int) -> None:
        ends = (account, savings) if number % 2 else (savings, account)
        transfers.create(alice, *ends, Decimal(1))

    by_all(there_and_back)

    assert Transfer.objects.count() == THREADS * ROUNDS
    assert (on_it(account), on_it(savings)) == (("0.00", "0.00"), ("0.00", "0.00"))
    assert_the_law_holds()


def test_opposite_order_writes_over_two_families_wait_for_each_other(account: Account, elsewhere: Account) -> None:
    def both(number: int) -> None:
        order = (account, elsewhere) if number % 2 else (elsewhere, account)
        with balances.writing(*order):
            for each in order:
                Transaction.objects.create(account=each, amount=Decimal(1))

    by_all(both)

    total = f"{THREADS * ROUNDS}.00"
    assert (on_it(account), on_it(elsewhere)) == ((total, total), (total, total))


def test_bulk_writes_over_the_same_accounts_in_any_order_wait_for_each_other(
    account: Account, savings: Account, elsewhere: Account
) -> None:
    accounts = [account, savings, elsewhere]

    def shuffled(number: int) -> None:
        order = random.Random(number).sample(accounts, 3)
        rows = Transaction.objects.bulk_create(Transaction(account=each, amount=Decimal(2)) for each in order)
        Transaction.objects.filter(pk__in=[row.pk for row in rows]).update(amount=Decimal(1))
        rows[0].delete()

    by_all(shuffled)

    assert Transaction.objects.count() == THREADS * ROUNDS * 2
    assert_the_law_holds()


def test_the_same_rows_changed_by_all_at_once_are_counted_once_each(account: Account, savings: Account) -> None:
    rows = [Transaction.objects.create(account=account, amount=Decimal(1)) for _ in range(4)]

    def change(number: int) -> None:
        row = Transaction.objects.get(pk=rows[number % 4].pk)
        row.amount += 1
        row.account = savings if number % 2 else account
        with balances.writing(savings, account):
            row.save()
        Transaction.objects.filter(pk__in=[row.pk for row in rows[:2]]).update(
            status="pending" if number % 3 else "posted"
        )

    by_all(change)

    assert_the_law_holds()
    assert {row.version for row in Transaction.objects.all()} != {1}


def test_shares_given_at_once_wait_for_each_other(account: Account, make_user: Callable[..., User]) -> None:
    people = [make_user(f"guest{number}") for number in range(THREADS)]

    together(*(lambda user=user: AccountShare.objects.create(account=account, user=user) for user in people))

    assert Account.objects.get().version == 1 + THREADS


def test_a_payee_deleted_while_others_use_it_is_gone_from_every_transaction(account: Account, family: Family) -> None:
    for name in ("a", "b", "c"):
        payee = Payee.objects.create(family=family, name=name)
        Transaction.objects.create(account=account, amount=Decimal(1), payee=payee)

        def use(payee: Payee = payee) -> None:
            # Who comes after the deletion is told that there is no such payee.
            with suppress(IntegrityError, Payee.DoesNotExist):
                for _ in range(ROUNDS):
                    Transaction.objects.create(account=account, amount=Decimal(1), payee_id=payee.pk)

        together(use, payee.delete, use, Payee.objects.filter(name=name).delete)

    assert not Transaction.objects.exclude(payee=None).exists()
    assert_the_law_holds()


def test_an_account_deleted_while_others_write_to_it_is_gone_whole(family: Family, alice: User) -> None:
    for name in ("a", "b", "c"):
        gone = Account.objects.create(family=family, owner=alice, name=name, currency="EUR")

        def write(gone: Account = gone) -> None:
            with suppress(IntegrityError, Account.DoesNotExist):
                for _ in range(ROUNDS):
                    Transaction.objects.create(account_id=gone.pk, amount=Decimal(1))

        together(write, gone.delete, write)

    assert Account.objects.count() == Transaction.objects.count() == 0


def test_credit_spent_at_once_is_spent_once(bob: User) -> None:
    credit.change(bob, Decimal(20), "reward")

    def spend(number: int) -> None:
        with suppress(InsufficientCredit):
            credit.change(bob, Decimal(-1), "usage")

    by_all(spend)

    assert credit.balance_of(bob).balance == Decimal(0)
    assert credit.balance_of(bob).version == 21


def test_first_credit_given_at_once_is_given_each_time(bob: User) -> None:
    by_all(lambda number: credit.change(bob, Decimal(1), "reward"))

    assert credit.balance_of(bob).balance == Decimal(THREADS * ROUNDS)


def test_a_renamed_account_never_tells_an_older_balance_than_was_told(account: Account) -> None:
    """The account's event holds its balance, so it waits for who is changing that."""

    def rename_or_spend(number: int) -> None:
        if number % 2:
            Account.objects.filter(pk=account.pk).update(name=f"Name {number}")
        else:
            with transaction.atomic():
                Transaction.objects.create(account=account, amount=Decimal(1))

    by_all(rename_or_spend)

    told = _balances_told(account)
    assert told == sorted(told)
    assert told[-1] == Decimal(THREADS * ROUNDS // 2)


def test_an_account_renamed_and_written_to_in_one_transaction_waits_for_who_writes_to_it(account: Account) -> None:
    def rename_and_spend(number: int) -> None:
        with transaction.atomic():
            if number % 2:
                Account.objects.filter(pk=account.pk).update(name=f"Name {number}")
            Transaction.objects.create(account=account, amount=Decimal(1))

    by_all(rename_and_spend)

    assert on_it(account)[0] == f"{THREADS * ROUNDS}.00"


def _balances_told(account: Account) -> list[Decimal]:
    while log.sequence():
        pass
    events = Event.objects.filter(topic=account_topic(account.pk)).order_by("position")
    told = [json.loads(data) for data in events.values_list("data", flat=True)]
    # On the event itself, or in the account that it holds.
    balances = [each.get("balance", each.get("data", {}).get("balance")) for each in told]
    return [Decimal(each) for each in balances if each is not None]
