from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from ledger.errors import AmountRefused, InsufficientCredit, LedgerError
from ledger.models import CreditBalance, CreditEntry
from ledger.models.guarded import unguarded
from ledger.services import credits as credit
from realtime.models import Refused
from tests.ledger.conftest import Told


def test_a_change_is_an_entry_a_balance_and_an_event(alice: User, told: Callable[..., list[Told]]) -> None:
    told()

    purchase = credit.change(alice, Decimal("12.50"), "purchase", {"package": "small"})
    entry = credit.change(alice, Decimal("-2.50"), "usage")

    assert (entry.change, entry.balance_after) == (Decimal("-2.50"), Decimal("10.00"))
    assert credit.balance_of(alice).balance == Decimal("10.00")
    first, second = told()
    assert (first.type, first.topics) == ("CreditBalanceUpdate", {f"user:{alice.pk}"})
    assert first.data == {
        "user_id": str(alice.pk),
        "entry_id": str(purchase.pk),
        "balance": "12.50",
        "change": "12.50",
        "reason": "purchase",
        "metadata": {"package": "small"},
        "version": 1,
    }
    assert (second.data["balance"], second.data["change"], second.data["version"]) == ("10.00", "-2.50", 2)


def test_credit_is_never_below_zero(alice: User, told: Callable[..., list[Told]]) -> None:
    credit.change(alice, Decimal(5), "reward")
    told()

    with pytest.raises(InsufficientCredit, match=r"Credit is 5.00; 5.01 cannot be taken from it"):
        credit.change(alice, Decimal("-5.01"), "usage")

    assert credit.balance_of(alice).balance == Decimal(5)
    assert CreditEntry.objects.count() == 1
    assert told() == []


def test_who_never_had_credit_cannot_spend_any(alice: User) -> None:
    with pytest.raises(InsufficientCredit):
        credit.change(alice, Decimal(-1), "usage")

    assert (credit.balance_of(alice).balance, credit.balance_of(alice).version) == (Decimal(0), 0)
    assert CreditBalance.objects.count() == 0


def test_the_database_keeps_credit_above_zero_whatever_the_service_does(alice: User) -> None:
    credit.change(alice, Decimal(5), "reward")

    with pytest.raises(IntegrityError), transaction.atomic():
        unguarded(CreditBalance, "default").update(balance=Decimal(-1))


@pytest.mark.parametrize("amount", ["0", "0.001", "NaN", "1E+20"])
def test_an_amount_that_is_none_of_credit_is_refused(amount: str, alice: User) -> None:
    with pytest.raises(AmountRefused):
        credit.change(alice, Decimal(amount), "reward")

    assert CreditEntry.objects.count() == 0


@pytest.mark.parametrize("metadata", [{"a": float("nan")}, {"a": object()}, {"a": "x" * 5000}])
def test_metadata_that_is_no_small_json_is_refused(metadata: dict[str, object], alice: User) -> None:
    with pytest.raises(LedgerError, match="Metadata"):
        credit.change(alice, Decimal(1), "reward", metadata)


def test_an_unknown_reason_is_refused(alice: User) -> None:
    with pytest.raises(LedgerError, match="'fun' is no reason: purchase, reward, usage"):
        credit.change(alice, Decimal(1), "fun")


@pytest.mark.parametrize(
    "write",
    [
        lambda entry: entry.save(),
        lambda entry: entry.delete(),
        lambda entry: CreditEntry.objects.update(change=5),
        lambda entry: CreditEntry.objects.all().delete(),
        lambda entry: CreditEntry.objects.create(user=entry.user, change=5),
        lambda entry: CreditBalance.objects.get().save(),
        lambda entry: CreditBalance.objects.update(balance=5),
    ],
)
def test_entries_and_balances_are_not_written_past_the_service(
    write: Callable[[CreditEntry], object], alice: User
) -> None:
    entry = credit.change(alice, Decimal(1), "reward")

    with pytest.raises(Refused, match=r"ledger\.services\.credits\.change"):
        write(entry)

    assert CreditEntry.objects.get().change == Decimal(1)
    assert credit.balance_of(alice).balance == Decimal(1)


def test_a_refused_change_leaves_the_callers_transaction_usable(alice: User) -> None:
    with transaction.atomic():
        with pytest.raises(InsufficientCredit):
            credit.change(alice, Decimal(-1), "usage")
        credit.change(alice, Decimal(1), "reward")

    assert credit.balance_of(alice).balance == Decimal(1)


@pytest.mark.parametrize("text", ["a null \0 character", "behind a backslash: \\\0", "half a pair: \ud800"])
def test_what_the_database_cannot_keep_is_refused(alice: User, text: str) -> None:
    with pytest.raises(LedgerError, match="Metadata is a JSON object"):
        credit.change(alice, Decimal(1), "purchase", {"note": text})

    assert not CreditEntry.objects.exists()


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "💰", "钱" * 1300])
def test_whatever_else_is_written_in_metadata_is_kept(alice: User, text: str) -> None:
    credit.change(alice, Decimal(1), "purchase", {"note": text})

    assert CreditEntry.objects.get().metadata == {"note": text}


def test_metadata_is_measured_in_bytes_of_utf_8(alice: User) -> None:
    room = 4096 - len('{"note": ""}')
    credit.change(alice, Decimal(1), "purchase", {"note": "é" * (room // 2)})

    with pytest.raises(LedgerError, match="at most 4096 bytes"):
        credit.change(alice, Decimal(1), "purchase", {"note": "é" * (room // 2 + 1)})

    assert CreditEntry.objects.count() == 1
