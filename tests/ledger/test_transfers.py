from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import ProtectedError

from accounts.models import User
from ledger.errors import AmountRefused, CurrencyMismatch, LedgerError, NotInFamily, TransferLeg
from ledger.models import Account, Payee, Transaction, Transfer
from ledger.services import transfers
from tests.ledger.conftest import Told, assert_the_law_holds, on_it, topics


@pytest.fixture
def transfer(alice: User, account: Account, savings: Account) -> Transfer:
    return transfers.create(alice, account, savings, Decimal("25.00"), description="Rainy day")


def test_a_transfer_is_two_transactions_and_two_balances(
    alice: User, account: Account, savings: Account, told: Callable[..., list[Told]]
) -> None:
    told()

    transfer = transfers.create(alice, account, savings, Decimal("25.00"), description="Rainy day")

    assert (on_it(account), on_it(savings)) == (("-25.00", "-25.00"), ("25.00", "25.00"))
    events = told()
    legs = {each.data["data"]["account_id"]: each for each in events if each.type == "TransactionUpdate"}
    assert legs[str(account.pk)].topics == topics(account)
    assert legs[str(savings.pk)].topics == topics(savings)
    assert {each.data["data"]["amount"] for each in legs.values()} == {"-25.00", "25.00"}
    assert {each.data["data"]["transfer_id"] for each in legs.values()} == {str(transfer.pk)}
    assert [each.type for each in events].count("AccountBalanceUpdate") == 2


@pytest.mark.parametrize("amount", ["0", "-5", "0.001"])
def test_a_transfer_of_nothing_less_or_too_little_is_refused(
    amount: str, alice: User, account: Account, savings: Account
) -> None:
    with pytest.raises(AmountRefused):
        transfers.create(alice, account, savings, Decimal(amount))

    assert Transfer.objects.count() == Transaction.objects.count() == 0


def test_a_transfer_stays_in_one_family_and_one_currency_and_needs_two_accounts(
    alice: User, account: Account, savings: Account, elsewhere: Account
) -> None:
    yen = Account.objects.create(family=account.family, owner=alice, name="Yen", currency="JPY")

    with pytest.raises(NotInFamily):
        transfers.create(alice, account, elsewhere, Decimal(5))
    with pytest.raises(CurrencyMismatch, match="EUR cannot be transferred to JPY"):
        transfers.create(alice, account, yen, Decimal(5))
    with pytest.raises(LedgerError, match="two different accounts"):
        transfers.create(alice, account, account, Decimal(5))

    assert Transaction.objects.count() == 0


def test_a_changed_transfer_changes_both_legs(transfer: Transfer, account: Account, savings: Account) -> None:
    changed = transfers.change(transfer, amount=Decimal("40.00"), description="More")

    assert (on_it(account), on_it(savings)) == (("-40.00", "-40.00"), ("40.00", "40.00"))
    assert changed.amount == Decimal("40.00")
    assert {leg.description for leg in transfer.transactions.all()} == {"More"}


def test_a_void_transfer_gives_the_money_back(transfer: Transfer, account: Account, savings: Account) -> None:
    transfers.change(transfer, status="void")

    assert (on_it(account), on_it(savings)) == (("0.00", "0.00"), ("0.00", "0.00"))


def test_a_transfer_cannot_be_led_to_another_account(transfer: Transfer, savings: Account) -> None:
    with pytest.raises(LedgerError, match="delete it and make another"):
        transfers.change(transfer, to_account=savings)


@pytest.mark.parametrize(
    "delete", [transfers.delete, Transfer.delete, lambda transfer: Transfer.objects.filter(pk=transfer.pk).delete()]
)
def test_a_deleted_transfer_takes_both_legs_along(
    delete: Callable[[Transfer], object],
    transfer: Transfer,
    account: Account,
    savings: Account,
    told: Callable[..., list[Told]],
) -> None:
    told()

    delete(transfer)

    assert (on_it(account), on_it(savings)) == (("0.00", "0.00"), ("0.00", "0.00"))
    assert [each.data["action"] for each in told("TransactionUpdate")] == ["deleted", "deleted"]


@pytest.mark.parametrize(
    "meddle",
    [
        lambda leg: leg.delete(),
        lambda leg: Transaction.objects.all().delete(),
        lambda leg: Transaction.objects.filter(pk=leg.pk).update(amount=Decimal(1)),
        lambda leg: Transaction.objects.filter(pk=leg.pk).update(status="void"),
        lambda leg: Transaction.objects.filter(pk=leg.pk).update(transfer=None),
        lambda leg: Transaction.objects.create(account=leg.account, amount=Decimal(1), transfer=leg.transfer),
        lambda leg: Transfer.objects.update(amount=Decimal(1)),
        lambda leg: Transfer.objects.create(
            family=leg.account.family, from_account=leg.account, to_account=leg.transfer.to_account, amount=Decimal(1)
        ),
    ],
)
def test_one_half_of_a_transfer_is_not_written_alone(
    meddle: Callable[[Transaction], object], transfer: Transfer, account: Account, savings: Account
) -> None:
    leg = Transaction.objects.get(account=account)

    with pytest.raises(TransferLeg, match=r"ledger\.services\.transfers"), transaction.atomic():
        meddle(leg)

    assert (on_it(account), on_it(savings)) == (("-25.00", "-25.00"), ("25.00", "25.00"))
    assert Transaction.objects.count() == 2
    assert_the_law_holds()


def test_what_the_halves_do_not_share_may_differ(transfer: Transfer, account: Account, payee: Payee) -> None:
    leg = Transaction.objects.get(account=account)

    leg.category, leg.payee, leg.description = "saving", payee, "To the savings"
    leg.save()

    assert Transaction.objects.get(pk=leg.pk).category == "saving"


def test_an_account_with_transfers_is_not_deleted(transfer: Transfer, account: Account, savings: Account) -> None:
    with pytest.raises(ProtectedError), transaction.atomic():
        account.delete()

    assert (on_it(account), on_it(savings)) == (("-25.00", "-25.00"), ("25.00", "25.00"))


def test_a_transfer_to_a_private_account_shows_the_family_one_leg(
    alice: User, account: Account, private: Account, told: Callable[..., list[Told]]
) -> None:
    told()

    transfers.create(alice, account, private, Decimal(5))

    family_topic = f"family:{account.family_id}"
    seen = [each for each in told() if family_topic in each.topics]
    assert [each.data.get("account_id", each.data.get("data", {}).get("account_id")) for each in seen] == [
        str(account.pk),
        str(account.pk),
    ]
