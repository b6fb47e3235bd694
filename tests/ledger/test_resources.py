from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import Family, User
from ledger.models import Account, Payee, Transaction
from ledger.payloads import masked
from ledger.services import credits as credit
from ledger.services import notices
from realtime import log, receipts
from realtime.models import Event
from realtime.protocol.encoding import encode_data
from realtime.protocol.errors import ProtocolError
from realtime.resources import answer
from tests.ledger.conftest import Told

Ask = Callable[..., Any]


def refused(user: User, name: str, **params: object) -> str:
    with pytest.raises(ProtocolError) as caught:
        answer(user, name, params)
    return caught.value.code


def test_accounts_are_those_the_user_may_see(account: Account, private: Account, alice: User, bob: User) -> None:
    assert [each["name"] for each in answer(alice, "accounts", {})] == ["Everyday", "Own"]
    assert [each["name"] for each in answer(bob, "accounts", {})] == ["Everyday"]


def test_a_snapshot_of_an_account_looks_as_its_last_event_did(
    account: Account, alice: User, bob: User, told: Callable[..., list[Told]]
) -> None:
    told()
    account.shared_with.add(bob)

    (event,) = told("AccountUpdate")
    assert answer(alice, "accounts", {}) == [event.data["data"]]
    assert event.data["data"]["number"] == "••••2051"


def test_a_snapshot_of_transactions_looks_as_their_last_events_did(
    account: Account, payee: Payee, alice: User, told: Callable[..., list[Told]]
) -> None:
    told()
    Transaction.objects.create(
        account=account, amount=Decimal("-12.50"), description="Bread", payee=payee, created_by=alice, category="food"
    )

    (event,) = told("TransactionUpdate")
    assert answer(alice, "transactions", {"account_id": str(account.pk)}) == [event.data["data"]]


def test_a_snapshot_of_a_balance_looks_as_its_last_event_did(
    account: Account, alice: User, told: Callable[..., list[Told]]
) -> None:
    Transaction.objects.create(account=account, amount=Decimal(5))

    (event,) = told("AccountBalanceUpdate")
    assert answer(alice, "account_balance", {"account_id": str(account.pk)}) == event.data


def test_transactions_come_newest_first_and_no_more_than_asked_for(account: Account, alice: User) -> None:
    for day, text in (("2026-01-02", "second"), ("2026-01-01", "first"), ("2026-01-03", "third")):
        Transaction.objects.create(account=account, amount=1, date=day, description=text)

    rows = answer(alice, "transactions", {"account_id": str(account.pk), "limit": 2})

    assert [each["description"] for each in rows] == ["third", "second"]


def test_transactions_of_a_family_are_those_of_the_accounts_the_user_may_see(
    account: Account, private: Account, elsewhere: Account, family: Family, alice: User, bob: User
) -> None:
    for each in (account, private, elsewhere):
        Transaction.objects.create(account=each, amount=1, description=each.name)

    def seen(user: User) -> set[str]:
        rows = answer(user, "transactions", {"family_id": str(family.pk)})
        return {each["description"] for each in rows}

    assert (seen(alice), seen(bob)) == ({"Everyday", "Own"}, {"Everyday"})


@pytest.mark.parametrize("name", ["account_balance", "transactions"])
def test_an_account_that_is_not_there_and_one_that_is_not_theirs_answer_alike(
    name: str, private: Account, bob: User
) -> None:
    assert refused(bob, name, account_id=str(private.pk)) == refused(bob, name, account_id=str(uuid4())) == "not_found"


def test_a_family_that_is_not_there_and_one_that_is_not_theirs_answer_alike(family: Family, charlie: User) -> None:
    for pk in (family.pk, uuid4()):
        assert refused(charlie, "transactions", family_id=str(pk)) == "not_found"
        assert refused(charlie, "payee_suggestions", family_id=str(pk), description="x") == "not_found"


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("transactions", {}),
        ("transactions", {"account_id": str(uuid4()), "family_id": str(uuid4())}),
        ("transactions", {"account_id": "x"}),
        ("transactions", {"account_id": str(uuid4()), "limit": 501}),
        ("transactions", {"account_id": str(uuid4()), "limit": 0}),
        ("account_balance", {}),
        ("accounts", {"family": 1}),
        ("payee_suggestions", {"family_id": str(uuid4()), "description": "x" * 201}),
    ],
)
def test_params_that_make_no_sense_are_invalid(name: str, params: dict[str, object], alice: User) -> None:
    assert refused(alice, name, **params) == "invalid_data"


def test_credit_is_the_users_own(alice: User, bob: User) -> None:
    credit.change(alice, Decimal("12.50"), "reward")

    mine, theirs = answer(alice, "credit_balance", {}), answer(bob, "credit_balance", {})

    assert (mine["user_id"], mine["balance"], mine["version"]) == (str(alice.pk), "12.50", 1)
    assert (theirs["user_id"], theirs["balance"], theirs["version"]) == (str(bob.pk), "0.00", 0)


def test_suggestions_are_answered_with_the_description(family: Family, payee: Payee, bob: User) -> None:
    result = answer(bob, "payee_suggestions", {"family_id": str(family.pk), "description": "Bakery"})

    assert encode_data(result) == encode_data(
        {"description": "Bakery", "suggestions": [{"payee_id": payee.pk, "name": "Bakery", "score": 100}]}
    )


def test_notices_are_those_to_the_user_newest_first(family: Family, bob: User, charlie: User) -> None:
    notices.send("first", family=family)
    notices.send("second", user=bob)

    assert [each["title"] for each in answer(bob, "notifications", {})] == ["second", "first"]
    assert answer(charlie, "notifications", {}) == []


def test_a_notice_is_gone_once_it_is_acknowledged_until_something_new_is_said_of_it(
    alice: User, bob: User, family: Family
) -> None:
    def acknowledge(user: User) -> None:
        while log.sequence():
            pass
        receipts.confirm(user, Event.objects.filter(ack=True).values_list("event_id", flat=True), transport="http")

    def titles(user: User) -> list[str]:
        return [each["title"] for each in answer(user, "notifications", {})]

    notice, _ = notices.send("first", family=family), notices.send("second", user=bob)
    acknowledge(alice)
    acknowledged = titles(alice), titles(bob)
    notice.title = "changed"
    notice.save()
    while log.sequence():
        pass
    anew = titles(alice)
    acknowledge(alice)

    assert acknowledged == ([], ["second", "first"])
    assert (anew, titles(alice), titles(bob)) == (["changed"], [], ["second", "changed"])


@pytest.mark.parametrize(("number", "shown"), [("", ""), ("1234", "••••"), ("12345", "••••2345")])
def test_a_number_is_masked_but_for_its_last_four_characters(number: str, shown: str) -> None:
    assert masked(number) == shown
