"""What a write costs. Each number is a ceiling that was measured: a query more needs a reason."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from ledger.models import Account, Payee, Rule, Transaction
from ledger.payloads import account_data, transaction_data
from ledger.resources import Nothing as NoParams
from ledger.resources import OfAccountOrFamily, accounts, transactions
from ledger.services import credits as credit
from ledger.services import transfers


def queries(work: Callable[[], object]) -> int:
    """How many statements ``work`` sends, not counting those that open and close transactions."""
    with CaptureQueriesContext(connection) as captured:
        work()
    own = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK")
    return sum(not each["sql"].startswith(own) for each in captured.captured_queries)


def test_a_new_transaction_takes_five_queries_and_six_where_there_are_rules(account: Account) -> None:
    # Take the balance and look whether there are rules, insert; post; two events.
    first = queries(lambda: Transaction.objects.create(account=account, amount=Decimal(1)))
    Rule.objects.create(family=account.family, name="x", description_contains="x", set_category="x")
    second = queries(lambda: _alone(lambda: Transaction.objects.create(account=account, amount=Decimal(1))))

    assert (first, second) == (5, 6)


def test_a_new_transaction_with_payee_and_writer_takes_seven(account: Account, payee: Payee, bob: User) -> None:
    row = Transaction(account=account, amount=Decimal(1), payee_id=payee.pk, created_by_id=bob.pk)

    given = Transaction(account=account, amount=Decimal(1), payee=payee, created_by=bob)

    # Their names are looked up for everyone else; of objects given they are known.
    assert queries(lambda: _alone(row.save)) == 7
    assert queries(lambda: _alone(given.save)) == 5


def test_suggestions_take_two_more(account: Account, bob: User) -> None:
    # The newest descriptions of the past, and the payees' names.
    new = Transaction(account=account, amount=Decimal(1), description="Bread", created_by=bob)

    assert queries(lambda: _alone(new.save)) == 7


def test_a_changed_transaction_takes_six_and_four_when_no_money_moves(account: Account) -> None:
    row = Transaction.objects.create(account=account, amount=Decimal(1))

    # Take the balance, take the row, update; post; two events.
    row.amount = Decimal(2)
    first = queries(lambda: _alone(row.save))
    row.description = "Found"
    second = queries(lambda: _alone(row.save))

    assert (first, second) == (6, 4)


def test_a_bulk_insert_takes_one_query_per_row_and_a_constant(account: Account, payee: Payee, bob: User) -> None:
    Rule.objects.create(family=account.family, name="x", description_contains="x", set_category="x")

    def insert(count: int) -> int:
        rows = [
            Transaction(account=account, amount=1, description="y", payee_id=payee.pk, created_by_id=bob.pk)
            for _ in range(count)
        ]
        return queries(lambda: _alone(lambda: Transaction.objects.bulk_create(rows)))

    assert insert(40) - insert(10) == 30


def test_a_bulk_update_takes_one_query_per_row_and_a_constant(account: Account) -> None:
    def update(count: int) -> int:
        Transaction.objects.all().delete()
        Transaction.objects.bulk_create(Transaction(account=account, amount=1) for _ in range(count))
        return queries(lambda: _alone(lambda: Transaction.objects.update(amount=2)))

    assert update(40) - update(10) == 30


def test_a_transfer_takes_twelve(alice: User, account: Account, savings: Account) -> None:
    # Take both balances; the transfer; take them again, insert the legs, read them back, their writer's name;
    # two postings, four events.
    assert queries(lambda: _alone(lambda: transfers.create(alice, account, savings, Decimal(5)))) == 12


def test_a_change_of_credit_takes_five(alice: User) -> None:
    credit.change(alice, Decimal(5), "reward")

    # Keep the user, take the balance, set it, write the entry; one event.
    assert queries(lambda: credit.change(alice, Decimal(5), "reward")) == 5


def test_snapshots_do_not_grow_with_their_rows(account: Account, savings: Account, payee: Payee, bob: User) -> None:
    for each in (account, savings):
        each.shared_with.add(bob)
        Transaction.objects.bulk_create(
            Transaction(account=each, amount=1, payee=payee, created_by=bob) for _ in range(20)
        )

    assert queries(lambda: accounts(bob, NoParams())) == 2
    assert queries(lambda: transactions(bob, OfAccountOrFamily(family_id=account.family_id, limit=40))) == 2


def test_payloads_of_rows_fetched_whole_ask_nothing_more(account: Account, payee: Payee, bob: User) -> None:
    Transaction.objects.create(account=account, amount=1, payee=payee, created_by=bob)
    row = Transaction.objects.select_related("account", "payee", "created_by").get()
    holder = Account.objects.select_related("balance_row").prefetch_related("shares").get()

    assert queries(lambda: (transaction_data(row), account_data(holder))) == 0


def _alone(work: Callable[[], object]) -> None:
    """As in a transaction of its own: nothing was published before that could be merged with."""
    kept, connection.run_on_commit = connection.run_on_commit, []
    try:
        with transaction.atomic():
            work()
    finally:
        connection.run_on_commit = kept
