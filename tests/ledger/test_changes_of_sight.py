"""When an account changes sight in the middle of other changes, each audience is told what it may know."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from accounts.models import Family
from ledger.errors import AlreadyTold
from ledger.models import Account, Transaction
from tests.ledger.conftest import Told


def test_a_transaction_moved_to_a_private_account_leaves_the_familys_sight(
    account: Account, private: Account, family: Family, told: Callable[..., list[Told]]
) -> None:
    row = Transaction.objects.create(account=account, amount=5, description="Before")
    told()

    row.account, row.description = private, "Secret"
    row.save()

    left, came = told("TransactionUpdate")
    assert (left.data["action"], left.topics) == ("deleted", {f"family:{family.pk}", f"account:{account.pk}"})
    assert left.data["data"]["description"] == "Before"
    assert (came.data["action"], came.topics) == ("created", {f"account:{private.pk}"})
    assert came.data["data"]["description"] == "Secret"


def test_a_transaction_moved_within_the_familys_sight_is_changed_for_the_family(
    account: Account, savings: Account, family: Family, told: Callable[..., list[Told]]
) -> None:
    Transaction.objects.create(account=account, amount=5)
    told()

    Transaction.objects.update(account=savings)

    assert {(each.data["action"], *each.topics) for each in told("TransactionUpdate")} == {
        ("deleted", f"account:{account.pk}"),
        ("created", f"account:{savings.pk}"),
        ("updated", f"family:{family.pk}"),
    }


def test_who_hears_of_a_transaction_is_asked_of_the_database_not_of_the_instance(
    account: Account, told: Callable[..., list[Told]]
) -> None:
    stale = Account.objects.get(pk=account.pk)
    told()
    Account.objects.filter(pk=account.pk).update(is_private=True)
    told()

    Transaction.objects.create(account=stale, amount=5)

    assert {topic for each in told() for topic in each.topics} == {f"account:{account.pk}"}


def test_what_an_account_holds_is_asked_of_the_database_not_of_the_instance(
    account: Account, told: Callable[..., list[Told]]
) -> None:
    assert account.balance_row.balance == 0
    Transaction.objects.create(account=account, amount=5)
    told()

    account.name = "Renamed"
    account.save()

    assert [each.data["data"]["balance"] for each in told("AccountUpdate")] == ["5.00"]


@pytest.mark.parametrize("private_at_first", [False, True])
@pytest.mark.parametrize(
    "write",
    [
        lambda account, other: Transaction.objects.create(account=account, amount=5),
        lambda account, other: Transaction.objects.filter(account=account).update(amount=6),
        lambda account, other: Transaction.objects.filter(account=account).update(account=other),
        lambda account, other: Transaction.objects.filter(account=other).update(account=account),
        lambda account, other: Transaction.objects.filter(account=account).delete(),
        lambda account, other: Account.objects.filter(pk=account.pk).update(name="Renamed"),
    ],
    ids=["create", "change", "move away", "move there", "delete", "rename"],
)
def test_an_account_changes_sight_before_all_else_of_its_transaction_or_not_at_all(
    account: Account,
    savings: Account,
    told: Callable[..., list[Told]],
    write: Callable[[Account, Account], object],
    private_at_first: bool,
) -> None:
    for each in (account, savings):
        Transaction.objects.create(account=each, amount=4)
    told()
    Account.objects.filter(pk=account.pk).update(is_private=private_at_first)
    told()

    with pytest.raises(AlreadyTold, match="transaction of its own"), transaction.atomic():
        write(account, savings)
        Account.objects.filter(pk=account.pk).update(is_private=not private_at_first)

    assert told() == []
    with transaction.atomic():
        Account.objects.filter(pk=account.pk).update(is_private=not private_at_first)
        write(Account.objects.get(pk=account.pk), savings)
    assert Account.objects.get(pk=account.pk).is_private is not private_at_first


def test_what_was_written_of_other_accounts_does_not_keep_one_in_sight(
    account: Account, savings: Account, told: Callable[..., list[Told]]
) -> None:
    told()

    with transaction.atomic():
        Transaction.objects.create(account=savings, amount=5)
        Account.objects.filter(pk=account.pk).update(is_private=True)

    assert [each.data["action"] for each in told("AccountUpdate")] == ["deleted", "created"]


def test_an_account_changes_sight_once_in_a_transaction(account: Account, told: Callable[..., list[Told]]) -> None:
    told()

    with pytest.raises(AlreadyTold), transaction.atomic():
        for is_private in (True, False):
            Account.objects.filter(pk=account.pk).update(is_private=is_private)

    assert not Account.objects.get(pk=account.pk).is_private
