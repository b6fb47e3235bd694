"""What is kept of a family's past between saves: quick to ask, of no rights, and of nothing that was undone."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Family, User
from ledger.models import Account, Payee, Transaction
from ledger.services import memory
from ledger.services.memory import Memory, Use
from tests.ledger.conftest import Told

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]

Suggested = Callable[[User, str], list[str]]


@pytest.fixture
def suggested(account: Account, told: Callable[..., list[Told]]) -> Suggested:
    """``suggested(bob, "bread")``: the payees he is told of when he saves a transaction so described."""

    def save(user: User, description: str) -> list[str]:
        told()
        Transaction.objects.create(account=account, amount=Decimal(-1), description=description, created_by=user)
        return [each["name"] for event in told("PayeeSuggestion") for each in event.data["suggestions"]]

    return save


def spend(account: Account, description: str, payee: Payee) -> Transaction:
    return Transaction.objects.create(account=account, amount=Decimal(-1), description=description, payee=payee)


def test_a_past_that_was_read_is_not_read_again_by_the_next_save(
    account: Account, payee: Payee, bob: User, alice: User
) -> None:
    def reads(user: User) -> int:
        new = Transaction(account=account, amount=Decimal(1), description="Nothing like it", created_by=user)
        with CaptureQueriesContext(connection) as asked:
            new.save()
        return sum("ledger_payee" in query["sql"] and query["sql"].startswith("SELECT") for query in asked)

    assert [reads(bob), reads(bob), reads(alice)] == [2, 0, 0]


def test_what_one_user_s_save_kept_tells_another_nothing_of_a_private_account(
    private: Account, payee: Payee, alice: User, bob: User, suggested: Suggested
) -> None:
    spend(private, "XK-77", payee)

    assert suggested(alice, "xk-77") == ["Bakery"]
    assert suggested(bob, "xk-77") == []


def test_who_no_longer_sees_an_account_is_told_nothing_of_it_at_the_next_save(
    private: Account, payee: Payee, bob: User, suggested: Suggested
) -> None:
    spend(private, "XK-77", payee)
    private.shared_with.add(bob)
    assert suggested(bob, "xk-77") == ["Bakery"]

    private.shares.all().delete()

    assert suggested(bob, "xk-77") == []


def test_what_this_process_has_written_is_known_to_its_next_save(
    account: Account, family: Family, payee: Payee, bob: User, suggested: Suggested
) -> None:
    assert suggested(bob, "xk-77") == []

    first = spend(account, "XK-77", payee)
    assert suggested(bob, "xk-77") == ["Bakery"]
    first.payee = Payee.objects.create(family=family, name="Trams")
    first.save()
    assert suggested(bob, "xk-77") == ["Trams"]
    first.payee.delete()
    assert suggested(bob, "xk-77") == []


def test_what_was_undone_was_suggested_to_nobody_else(
    account: Account, family: Family, bob: User, alice: User, suggested: Suggested
) -> None:
    with transaction.atomic():
        spend(account, "XK-77", Payee.objects.create(family=family, name="Trams"))
        assert suggested(alice, "xk-77") == ["Trams"]
        transaction.set_rollback(True)

    assert suggested(bob, "xk-77") == []


def test_only_so_many_families_and_answers_are_kept(monkeypatch: pytest.MonkeyPatch, family: Family) -> None:
    monkeypatch.setattr(memory, "FAMILIES", 3)
    monkeypatch.setattr(memory, "ANSWERS", 3)
    known = Memory([Use("bread", uuid4(), "Bakery")])

    for number in range(10):
        memory.recall(uuid4())
        known.reminds(f"bread {number}")

    assert len(memory._kept) <= 3
    assert len(known._answers) <= 3


class Cleared(dict[str, list[tuple[str, float]]]):
    """As if another thread cleared it after whatever is done with it."""

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        self.clear()
        return found

    def __setitem__(self, key: str, value: list[tuple[str, float]]) -> None:
        super().__setitem__(key, value)
        self.clear()


@pytest.mark.parametrize("answers", [{}, {"bread": [("bread", 100.0)]}], ids=["asked first", "asked before"])
def test_an_answer_is_given_though_another_thread_clears_what_is_kept(
    answers: dict[str, list[tuple[str, float]]],
) -> None:
    known = Memory([Use("bread", uuid4(), "Bakery")])
    known._answers = Cleared(answers)

    assert [each.name for each in known.suggest("bread", [])] == ["Bakery"]


def test_a_kept_past_is_read_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch, account: Account, payee: Payee, bob: User, suggested: Suggested
) -> None:
    monkeypatch.setattr("ledger.services.payees.changed", lambda family_id: None)  # as if another process wrote it
    now = [1000.0]
    monkeypatch.setattr(memory, "clock", lambda: now[0])
    assert suggested(bob, "xk-77") == []
    spend(account, "XK-77", payee)

    assert suggested(bob, "xk-77") == []
    now[0] += memory.KEPT_FOR + 0.1
    assert suggested(bob, "xk-77") == ["Bakery"]
