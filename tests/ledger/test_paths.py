"""No path is silent: each changed row has its event, exactly one, whatever wrote it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.core import serializers
from django.db import transaction
from django.db.models import F

from ledger.models import Account, Payee, Transaction
from realtime.models import Refused
from tests.ledger.conftest import Told, assert_the_law_holds, on_it

Rows = list[Transaction]
Write = Callable[[Account, Payee, Rows], object]


@pytest.fixture
def rows(account: Account, told: Callable[..., list[Told]]) -> Rows:
    """Three transactions that everyone has heard of."""
    made = [Transaction.objects.create(account=account, amount=Decimal(amount)) for amount in (1, 2, 4)]
    told()
    return made


def create_by_save(account: Account, payee: Payee, rows: Rows) -> None:
    for amount in (10, 20):
        Transaction(account=account, amount=Decimal(amount)).save()


def create_by_related_manager(account: Account, payee: Payee, rows: Rows) -> None:
    for amount in (10, 20):
        account.transactions.create(amount=Decimal(amount))


def create_by_bulk(account: Account, payee: Payee, rows: Rows) -> None:
    Transaction.objects.bulk_create(
        [Transaction(account=account, amount=Decimal(each)) for each in (10, 20)], batch_size=1
    )


def create_by_get_or_create(account: Account, payee: Payee, rows: Rows) -> None:
    for amount in (10, 20):
        Transaction.objects.update_or_create(account=account, description="new", amount=Decimal(amount))


@pytest.mark.parametrize("write", [create_by_save, create_by_related_manager, create_by_bulk, create_by_get_or_create])
def test_each_created_row_is_told_once(
    write: Write, account: Account, payee: Payee, rows: Rows, told: Callable[..., list[Told]]
) -> None:
    write(account, payee, rows)

    events = told("TransactionUpdate")
    assert sorted((each.data["action"], each.data["data"]["amount"]) for each in events) == [
        ("created", "10.00"),
        ("created", "20.00"),
    ]
    assert on_it(account) == ("37.00", "37.00")


def update_by_save(account: Account, payee: Payee, rows: Rows) -> None:
    for row in rows:
        row.amount *= 2
        row.save()


def update_some_fields(account: Account, payee: Payee, rows: Rows) -> None:
    for row in rows:
        row.amount *= 2
        row.save(update_fields=["amount"])


def update_by_queryset(account: Account, payee: Payee, rows: Rows) -> None:
    Transaction.objects.update(amount=F("amount") * 2)


def update_by_related_manager(account: Account, payee: Payee, rows: Rows) -> None:
    account.transactions.update(amount=F("amount") * 2)


def update_by_bulk(account: Account, payee: Payee, rows: Rows) -> None:
    for row in rows:
        row.amount *= 2
    Transaction.objects.bulk_update(rows, ["amount"], batch_size=2)


def update_by_base_manager(account: Account, payee: Payee, rows: Rows) -> None:
    Transaction._base_manager.update(amount=F("amount") * 2)


@pytest.mark.parametrize(
    "write",
    [
        update_by_save,
        update_some_fields,
        update_by_queryset,
        update_by_related_manager,
        update_by_bulk,
        update_by_base_manager,
    ],
)
def test_each_updated_row_is_told_once_with_its_new_version(
    write: Write, account: Account, payee: Payee, rows: Rows, told: Callable[..., list[Told]]
) -> None:
    before = {row.pk: row.updated_at for row in rows}

    write(account, payee, rows)

    events = told("TransactionUpdate")
    assert {each.data["transaction_id"]: each.data["data"]["amount"] for each in events} == dict(
        zip([str(row.pk) for row in rows], ["2.00", "4.00", "8.00"], strict=True)
    )
    assert [(each.data["action"], each.data["data"]["version"]) for each in events] == [("updated", 2)] * 3
    assert on_it(account) == ("14.00", "14.00")
    assert all(row.updated_at > before[row.pk] for row in Transaction.objects.all())


def set_related(account: Account, payee: Payee, rows: Rows) -> None:
    payee.transactions.set(rows)


def add_related(account: Account, payee: Payee, rows: Rows) -> None:
    payee.transactions.add(*rows)


@pytest.mark.parametrize("write", [set_related, add_related])
def test_rows_given_a_payee_from_its_side_are_told(
    write: Write, account: Account, payee: Payee, rows: Rows, told: Callable[..., list[Told]]
) -> None:
    write(account, payee, rows)
    given = told("TransactionUpdate")
    payee.transactions.clear()
    taken = told("TransactionUpdate")

    assert [each.data["data"]["payee_name"] for each in given] == ["Bakery"] * 3
    assert [each.data["data"]["payee_name"] for each in taken] == [None] * 3


def delete_each(account: Account, payee: Payee, rows: Rows) -> None:
    for row in rows:
        row.delete()


def delete_by_queryset(account: Account, payee: Payee, rows: Rows) -> None:
    Transaction.objects.all().delete()


def delete_with_the_account(account: Account, payee: Payee, rows: Rows) -> None:
    Account.objects.filter(pk=account.pk).delete()


@pytest.mark.parametrize("write", [delete_each, delete_by_queryset, delete_with_the_account])
def test_each_deleted_row_is_told_once_as_it_last_was(
    write: Write, account: Account, payee: Payee, rows: Rows, told: Callable[..., list[Told]]
) -> None:
    ids = {str(row.pk) for row in rows}

    write(account, payee, rows)

    events = told("TransactionUpdate")
    assert {each.data["transaction_id"] for each in events} == ids
    assert sorted(each.data["data"]["amount"] for each in events) == ["1.00", "2.00", "4.00"]
    assert {each.data["action"] for each in events} == {"deleted"}
    assert_the_law_holds()


@pytest.mark.parametrize(
    ("write", "way"),
    [
        (lambda rows: Transaction.objects.bulk_create(rows, ignore_conflicts=True), "look up the existing rows"),
        (
            lambda rows: Transaction.objects.bulk_create(
                rows, update_conflicts=True, update_fields=["amount"], unique_fields=["id"]
            ),
            "look up the existing rows",
        ),
        (lambda rows: Transaction.objects.distinct().update(amount=5), "take the primary keys"),
    ],
)
def test_a_path_that_cannot_tell_refuses_and_names_the_way(
    write: Callable[[Rows], object], way: str, rows: Rows, account: Account, told: Callable[..., list[Told]]
) -> None:
    with pytest.raises(Refused, match=way), transaction.atomic():
        write(rows)

    assert told() == []
    assert on_it(account) == ("7.00", "7.00")


def test_a_row_restored_by_a_deserializer_is_silent(
    account: Account, rows: Rows, told: Callable[..., list[Told]]
) -> None:
    text = serializers.serialize("json", rows)

    for restored in serializers.deserialize("json", text):
        restored.save()

    assert told() == []
    assert_the_law_holds()
