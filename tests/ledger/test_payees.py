from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import transaction

from accounts.models import Family, User
from ledger.errors import NotInFamily
from ledger.models import Account, Payee, Transaction
from ledger.services import payees
from tests.ledger.conftest import Told


@pytest.fixture
def past(account: Account, family: Family, payee: Payee) -> Payee:
    """The family has bought bread before, under a description that does not name the bakery."""
    Transaction.objects.create(account=account, amount=Decimal(-3), description="SUMUP *4711 BROT", payee=payee)
    Transaction.objects.create(
        account=account,
        amount=Decimal(-9),
        description="City Transport ticket 0815",
        payee=Payee.objects.create(family=family, name="Trams"),
    )
    return payee


def test_a_payee_is_suggested_from_the_familys_own_past(past: Payee, family: Family) -> None:
    suggestions = payees.suggest(family.pk, "sumup *9999 brot")

    assert [(each.payee_id, each.name) for each in suggestions] == [(past.pk, "Bakery")]
    assert 60 <= suggestions[0].score < 100


def test_a_payee_is_suggested_by_name(past: Payee, family: Family) -> None:
    assert payees.suggest(family.pk, "the bakery!") == [payees.Suggestion(past.pk, "Bakery", 100)]


@pytest.mark.parametrize("description", ["", "   ", "***", "quite something else"])
def test_nothing_is_suggested_for_what_reminds_of_nothing(description: str, past: Payee, family: Family) -> None:
    assert payees.suggest(family.pk, description) == []


def test_other_families_past_is_not_learned_from(past: Payee, other_family: Family) -> None:
    assert payees.suggest(other_family.pk, "SUMUP *4711 BROT") == []


def test_a_private_past_is_learned_from_only_for_who_may_see_it(
    private: Account, family: Family, payee: Payee, alice: User, bob: User
) -> None:
    Transaction.objects.create(account=private, amount=Decimal(-3), description="XK-77", payee=payee)

    assert [each.name for each in payees.suggest(family.pk, "xk-77", user=alice)] == ["Bakery"]
    assert payees.suggest(family.pk, "xk-77", user=bob) == payees.suggest(family.pk, "xk-77") == []


def test_at_most_five_are_suggested_best_first(family: Family) -> None:
    for number in range(9):
        Payee.objects.create(family=family, name=f"Market {number}")

    names = [each.name for each in payees.suggest(family.pk, "Market 3")]

    assert len(names) == payees.MOST
    assert names[0] == "Market 3"


def test_who_writes_a_transaction_without_payee_is_told_the_suggestions(
    past: Payee, account: Account, bob: User, told: Callable[..., list[Told]]
) -> None:
    told()

    row = Transaction.objects.create(account=account, amount=Decimal(-4), description="Bakery", created_by=bob)

    (event,) = told("PayeeSuggestion")
    assert event.topics == {f"user:{bob.pk}"}
    assert event.data == {
        "transaction_id": str(row.pk),
        "description": "Bakery",
        "suggestions": [{"payee_id": str(past.pk), "name": "Bakery", "score": 100}],
    }


def test_nothing_is_suggested_for_a_transaction_that_has_a_payee_or_nobody_wrote(
    past: Payee, account: Account, bob: User, told: Callable[..., list[Told]]
) -> None:
    told()

    Transaction.objects.create(account=account, amount=Decimal(-4), description="Bakery", created_by=bob, payee=past)
    Transaction.objects.create(account=account, amount=Decimal(-4), description="Bakery")

    assert told("PayeeSuggestion") == []


def test_payees_are_told_to_the_family(family: Family, told: Callable[..., list[Told]]) -> None:
    told()

    payee = Payee.objects.create(family=family, name="Kiosk", category="leisure")
    created = told()
    Payee.objects.filter(pk=payee.pk).update(name="Kiosk 24")
    updated = told()
    payee.delete()

    assert created == [
        Told(
            "PayeeUpdate",
            {f"family:{family.pk}"},
            {
                "payee_id": str(payee.pk or created[0].data["payee_id"]),
                "action": "created",
                "data": {
                    "id": created[0].data["payee_id"],
                    "family_id": str(family.pk),
                    "name": "Kiosk",
                    "category": "leisure",
                    "version": 1,
                },
                "version": 1,
            },
        )
    ]
    assert [(each.data["action"], each.data["data"]["name"], each.data["version"]) for each in updated] == [
        ("updated", "Kiosk 24", 2)
    ]
    assert [each.data["action"] for each in told()] == ["deleted"]


def test_a_payee_stays_in_its_family(payee: Payee, other_family: Family) -> None:
    payee.family = other_family

    with pytest.raises(NotInFamily), transaction.atomic():
        payee.save()
