"""Balances of rows that came by another way than a write, and of what is written in the middle of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal

from django.core.management import call_command
from django.db import connection, transaction

from ledger.models import Account, Balance, Transaction
from ledger.services import balances
from realtime.models import Outgoing
from realtime.signals import changed
from tests.ledger.conftest import Told, assert_the_law_holds, on_it, spend


def test_rows_that_came_by_sql_are_counted_on_request(account: Account, told: Callable[..., list[Told]]) -> None:
    row = spend(account, "1")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_transaction SET amount = 7.5 WHERE description = %s", [row.description])
    told()

    balances.recount(account)

    assert on_it(account) == ("7.50", "7.50")
    assert [each.data["balance"] for each in told()] == ["7.50"]


def test_counting_what_is_right_changes_and_tells_nothing(account: Account, told: Callable[..., list[Told]]) -> None:
    spend(account, "1")
    told()

    balances.recount(account)

    assert told() == []
    assert Balance.objects.get(pk=account.pk).version == 2


def test_fixtures_restore_rows_and_tell_nothing(account: Account, tmp_path: object) -> None:
    file = f"{tmp_path}/ledger.json"
    spend(account, "1")
    call_command("dumpdata", "accounts", "ledger", output=file)
    Account.objects.all().delete()
    Outgoing.objects.all().delete()

    call_command("loaddata", file, verbosity=0)

    assert Outgoing.objects.count() == 0
    assert on_it(account) == ("1.00", "1.00")
    assert_the_law_holds()


def test_a_fixture_without_balances_gets_them_with_the_first_write(account: Account, tmp_path: object) -> None:
    file = f"{tmp_path}/ledger.json"
    spend(account, "1")
    call_command("dumpdata", "accounts", "ledger.account", "ledger.transaction", output=file)
    Account.objects.all().delete()
    call_command("loaddata", file, verbosity=0)

    spend(account, "2")

    assert on_it(account) == ("3.00", "3.00")


def test_writing_takes_several_accounts_and_leaves_no_trace(account: Account, savings: Account) -> None:
    with balances.writing(savings, account.pk):
        spend(account, "-5")
        spend(savings, "5")

    assert (on_it(account), on_it(savings)) == (("-5.00", "-5.00"), ("5.00", "5.00"))


@contextmanager
def also(receiver: Callable[..., None]) -> Iterator[None]:
    """Let somebody else's receiver write, too, whenever a transaction is created."""

    def created(before: Transaction | None, after: Transaction | None, **kwargs: object) -> None:
        if before is None and after is not None and after.description != "fee":
            receiver(after)

    changed.connect(created, sender=Transaction, weak=False)
    try:
        yield
    finally:
        changed.disconnect(created, sender=Transaction)


def test_what_a_receiver_writes_to_the_same_account_counts_too(account: Account) -> None:
    with also(lambda row: spend(row.account, "-1", description="fee")):
        Transaction.objects.bulk_create([Transaction(account=account, amount=Decimal(each)) for each in (10, 20)])

    assert on_it(account) == ("28.00", "28.00")


def test_what_a_receiver_takes_back_does_not_count(account: Account) -> None:
    def try_a_fee(row: Transaction) -> None:
        with suppress(ZeroDivisionError), transaction.atomic():
            spend(row.account, "-1", description="fee")
            raise ZeroDivisionError

    with also(try_a_fee):
        spend(account, "10")

    assert on_it(account) == ("10.00", "10.00")


def test_a_receiver_may_count_anew_in_the_middle_of_a_write(account: Account) -> None:
    with also(lambda row: balances.recount(row.account) and None):
        spend(account, "10")

    assert on_it(account) == ("10.00", "10.00")
