from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import F

from accounts.models import User
from ledger.errors import AmountRefused, CurrencyMismatch, LedgerError, NotInFamily
from ledger.models import Account, Balance, Payee, Transaction
from realtime.models import Refused
from tests.ledger.conftest import Told, assert_the_law_holds, on_it, spend, topics


def test_a_new_account_has_nothing_on_it(account: Account) -> None:
    assert on_it(account) == ("0.00", "0.00")


def test_posted_money_counts_pending_payments_are_not_available_and_void_counts_nothing(account: Account) -> None:
    spend(account, "100")
    spend(account, "-30", status="pending")
    spend(account, "50", status="pending")
    spend(account, "-999", status="void")

    assert on_it(account) == ("100.00", "70.00")


def test_a_saved_transaction_is_told_with_the_balance_after_it(
    account: Account, told: Callable[..., list[Told]]
) -> None:
    told()

    row = spend(account, "-12.50", description="Lunch")

    first, second = told()
    assert (first.type, first.topics, first.data["action"]) == ("TransactionUpdate", topics(account), "created")
    assert first.data["transaction_id"] == str(row.pk)
    assert first.data["data"]["amount"] == "-12.50"
    assert first.data["data"]["version"] == 1
    assert (second.type, second.topics) == ("AccountBalanceUpdate", topics(account))
    assert second.data == {
        "account_id": str(account.pk),
        "balance": "-12.50",
        "available_balance": "-12.50",
        "currency": "EUR",
        "version": 2,
    }


def test_a_change_that_moves_no_money_tells_no_balance(account: Account, told: Callable[..., list[Told]]) -> None:
    row = spend(account, "5")
    told()

    row.description = "Found"
    row.save()

    assert [(each.type, each.data["action"]) for each in told()] == [("TransactionUpdate", "updated")]
    assert Balance.objects.get(pk=account.pk).version == 2


def test_a_stale_instance_posts_the_difference_to_what_the_database_holds(account: Account) -> None:
    row = spend(account, "10")
    stale = Transaction.objects.get(pk=row.pk)
    Transaction.objects.filter(pk=row.pk).update(amount=Decimal(40))

    stale.amount = Decimal(25)
    stale.save()

    assert on_it(account) == ("25.00", "25.00")


def test_an_amount_the_database_computes_is_posted_as_computed(account: Account) -> None:
    row = spend(account, "10")

    row.amount = F("amount") * 2
    row.save()

    assert on_it(account) == ("20.00", "20.00")


def test_a_moved_transaction_leaves_one_balance_and_comes_to_the_other(account: Account, savings: Account) -> None:
    row = spend(account, "10")

    row.account = savings
    row.save()

    assert (on_it(account), on_it(savings)) == (("0.00", "0.00"), ("10.00", "10.00"))


def test_one_bulk_write_posts_once_to_each_account(
    account: Account, savings: Account, told: Callable[..., list[Told]]
) -> None:
    told()

    Transaction.objects.bulk_create(
        Transaction(account=each, amount=Decimal(amount)) for amount in range(1, 6) for each in (account, savings)
    )

    events = told()
    assert [each.type for each in events].count("TransactionUpdate") == 10
    assert [each.data["balance"] for each in events if each.type == "AccountBalanceUpdate"] == ["15.00", "15.00"]
    assert Balance.objects.get(pk=account.pk).version == 2


def test_within_one_transaction_only_the_last_balance_is_told(
    account: Account, told: Callable[..., list[Told]]
) -> None:
    told()

    with transaction.atomic():
        for amount in ("1", "2", "3"):
            spend(account, amount)

    assert [each.data["balance"] for each in told("AccountBalanceUpdate")] == ["6.00"]


def test_made_and_changed_in_one_transaction_is_only_made(account: Account, told: Callable[..., list[Told]]) -> None:
    told()

    with transaction.atomic():
        row = spend(account, "1")
        row.amount = Decimal(2)
        row.save()

    (event,) = told("TransactionUpdate")
    assert (event.data["action"], event.data["data"]["amount"], event.data["data"]["version"]) == ("created", "2.00", 2)


def test_a_rolled_back_savepoint_leaves_nothing(account: Account, told: Callable[..., list[Told]]) -> None:
    told()

    with transaction.atomic():
        kept = spend(account, "1")
        with suppress(ZeroDivisionError), transaction.atomic():
            spend(account, "100")
            kept.amount = Decimal(50)
            kept.save()
            raise ZeroDivisionError
        spend(account, "2")

    assert on_it(account) == ("3.00", "3.00")
    assert_the_law_holds()
    events = told()
    assert sorted(each.data["data"]["amount"] for each in events if each.type == "TransactionUpdate") == [
        "1.00",
        "2.00",
    ]
    assert [each.data["balance"] for each in events if each.type == "AccountBalanceUpdate"] == ["3.00"]


def test_a_deleted_account_takes_its_transactions_along_and_tells_each(
    account: Account, told: Callable[..., list[Told]]
) -> None:
    rows = [spend(account, "1"), spend(account, "2")]
    told()

    account.delete()

    events = told()
    gone = {each.data["transaction_id"] for each in events if each.type == "TransactionUpdate"}
    assert gone == {str(row.pk) for row in rows}
    (update,) = [each for each in events if each.type == "AccountUpdate"]
    assert (update.data["action"], update.data["data"]["balance"]) == ("deleted", "3.00")
    assert not [each for each in events if each.type == "AccountBalanceUpdate"]
    assert Balance.objects.count() == 0


def test_a_deleted_payee_is_taken_from_its_transactions_and_each_is_told(
    account: Account, payee: Payee, told: Callable[..., list[Told]]
) -> None:
    rows = [spend(account, "1", payee=payee), spend(account, "2", payee=payee)]
    told()

    payee.delete()

    events = told()
    changed = {each.data["transaction_id"]: each.data["data"] for each in events if each.type == "TransactionUpdate"}
    assert changed.keys() == {str(row.pk) for row in rows}
    assert {(each["payee_id"], each["version"]) for each in changed.values()} == {(None, 2)}
    assert [each.data["action"] for each in events if each.type == "PayeeUpdate"] == ["deleted"]


def test_a_deleted_writer_is_taken_from_their_transactions_and_each_is_told(
    account: Account, bob: User, told: Callable[..., list[Told]]
) -> None:
    spend(account, "1", created_by=bob)
    told()

    bob.delete()

    (event,) = told("TransactionUpdate")
    assert (event.data["action"], event.data["data"]["created_by"]) == ("updated", None)


@pytest.mark.parametrize(
    "write",
    [
        lambda row: row.save(),
        lambda row: row.delete(),
        lambda row: Balance.objects.filter(pk=row.pk).update(balance=5),
        lambda row: Balance.objects.filter(pk=row.pk).delete(),
        lambda row: Balance.objects.create(account_id=row.pk, balance=5),
        lambda row: Balance.objects.bulk_create([row]),
        lambda row: Balance.objects.bulk_update([row], ["balance"]),
        lambda row: Balance.objects.update_or_create(pk=row.pk, defaults={"balance": 5}),
        lambda row: Balance.objects.get_or_create(pk=row.pk),
    ],
)
def test_a_balance_refuses_to_be_written_and_names_the_way(
    account: Account, write: Callable[[Balance], object]
) -> None:
    row = Balance.objects.get(pk=account.pk)
    row.balance = Decimal(5)

    with pytest.raises(Refused, match=r"save the transactions and it follows; ledger\.services\.balances"):
        write(row)

    assert on_it(account) == ("0.00", "0.00")


def test_an_amount_with_too_many_decimals_is_refused_by_every_path(account: Account) -> None:
    row = spend(account, "1.00")

    with pytest.raises(AmountRefused), transaction.atomic():
        spend(account, "1.001")
    with pytest.raises(AmountRefused), transaction.atomic():
        Transaction.objects.bulk_create([Transaction(account=account, amount=Decimal("1.001"))])
    with pytest.raises(AmountRefused), transaction.atomic():
        Transaction.objects.filter(pk=row.pk).update(amount=F("amount") * Decimal("0.125"))

    assert [each.amount for each in Transaction.objects.all()] == [Decimal("1.00")]
    assert on_it(account) == ("1.00", "1.00")


def test_a_balance_too_large_to_be_kept_exactly_is_refused(account: Account) -> None:
    spend(account, "9999999999999.99")

    with pytest.raises(AmountRefused, match="at most 15 digits"), transaction.atomic():
        spend(account, "0.01")

    assert on_it(account) == ("9999999999999.99", "9999999999999.99")


def test_a_payee_of_another_family_is_refused(account: Account, elsewhere: Account) -> None:
    stranger = Payee.objects.create(family=elsewhere.family, name="Stranger")

    with pytest.raises(NotInFamily), transaction.atomic():
        spend(account, "1", payee=stranger)

    assert Transaction.objects.count() == 0


def test_an_unknown_status_is_refused(account: Account) -> None:
    with pytest.raises(LedgerError, match="'maybe' is no status"), transaction.atomic():
        spend(account, "1", status="maybe")


def test_the_currency_of_an_account_with_transactions_is_fixed(account: Account, savings: Account) -> None:
    spend(account, "1")

    with pytest.raises(CurrencyMismatch), transaction.atomic():
        Account.objects.filter(pk=account.pk).update(currency="USD")
    Account.objects.filter(pk=savings.pk).update(currency="USD")

    assert [each.currency for each in Account.objects.order_by("name")] == ["EUR", "USD"]


def test_an_account_stays_in_its_family(account: Account, elsewhere: Account) -> None:
    account.family = elsewhere.family

    with pytest.raises(NotInFamily), transaction.atomic():
        account.save()
