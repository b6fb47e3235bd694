"""A request sent twice is done once and answered twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, connections
from django.utils import timezone

from ledger import idempotency
from ledger.models import Balance, CreditEntry, IdempotencyKey, Transaction, Transfer
from ledger.services.credits import change

KEY = {"Idempotency-Key": "b5d0e0a2-1"}


def balance(account):
    return Balance.objects.get(account=account).balance


@pytest.fixture
def spending(account):
    return {"account_id": str(account.pk), "amount": "-12.50", "description": "Bakery"}


def test_the_same_request_is_answered_again_and_not_done_again(api, bob, account, spending):
    first = api(bob).post("transactions", spending, **KEY)

    second = api(bob).post("transactions", spending, **KEY)

    assert (second.status_code, second.content) == (201, first.content)
    assert second["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Transaction.objects.count() == 1
    assert balance(account) == Decimal("-12.50")


def test_the_answer_is_given_again_even_when_the_row_is_gone(api, bob, spending):
    first = api(bob).post("transactions", spending, **KEY)
    Transaction.objects.all().delete()

    assert api(bob).post("transactions", spending, **KEY).content == first.content
    assert not Transaction.objects.exists()


def test_order_and_spacing_of_the_body_do_not_matter(api, bob, account):
    texts = (
        f'{{"account_id":"{account.pk}","amount":-12.50,"description":"x"}}',
        f'{{ "description": "x", "amount": -12.50, "account_id": "{account.pk}" }}',
    )

    answers = [api(bob).raw("transactions", text, **KEY) for text in texts]

    assert [each.status_code for each in answers] == [201, 201]
    assert answers[1]["Idempotent-Replayed"] == "true"


def test_transfers_and_credits_take_a_key_too(api, admin, alice, account, savings):
    moving = {"from_account_id": str(account.pk), "to_account_id": str(savings.pk), "amount": "5.00"}
    giving = {"user_id": str(alice.pk), "amount": "5.00", "reason": "reward"}

    for _ in range(2):
        assert api(alice).post("transfers", moving, **KEY).status_code == 201
        assert api(admin).post("credits", giving, **KEY).status_code == 201

    assert (Transfer.objects.count(), balance(account)) == (1, Decimal("-5.00"))
    assert CreditEntry.objects.count() == 1


@pytest.mark.parametrize("other", [{"amount": "-12.51"}, {"description": "Butcher"}, {"category": "food"}])
def test_another_body_with_the_same_key_is_refused(api, bob, account, spending, other):
    api(bob).post("transactions", spending, **KEY)

    answer = api(bob).post("transactions", {**spending, **other}, **KEY)

    assert answer.status_code == 422
    assert "send a new key with a new request" in answer.json()["detail"]
    assert balance(account) == Decimal("-12.50")


def test_another_address_with_the_same_key_is_refused(api, bob, spending, family):
    api(bob).post("transactions", spending, **KEY)

    answer = api(bob).post("payees", {"family_id": str(family.pk), "name": "Bakery"}, **KEY)

    assert answer.status_code == 422


def test_a_key_is_the_users_own(api, alice, bob, spending):
    first = api(alice).post("transactions", spending, **KEY)

    second = api(bob).post("transactions", spending, **KEY)

    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


def test_a_refused_request_leaves_its_key_free(api, bob, alice, spending):
    refused = api(bob).post("credits", {"amount": "-1.00", "reason": "usage"}, **KEY)
    change(bob, Decimal("5.00"), "reward")

    answer = api(bob).post("credits", {"amount": "-1.00", "reason": "usage"}, **KEY)

    assert (refused.status_code, answer.status_code) == (409, 201)
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "naïve"])
def test_a_key_is_short_and_printable(api, bob, account, spending, key):
    answer = api(bob).post("transactions", spending, **{"Idempotency-Key": key})

    assert answer.status_code == 400
    assert "200 printable ASCII" in answer.json()["Idempotency-Key"][0]
    assert balance(account) == 0


def test_a_key_expires(api, bob, account, spending):
    api(bob).post("transactions", spending, **KEY)
    IdempotencyKey.objects.update(created_at=timezone.now() - idempotency.LIFETIME - timedelta(seconds=1))

    answer = api(bob).post("transactions", {**spending, "amount": "-1.00"}, **KEY)

    assert answer.status_code == 201
    assert balance(account) == Decimal("-13.50")


def test_expired_keys_of_others_are_forgotten_in_passing(api, alice, bob, spending):
    for n in range(5):
        api(alice).post("transactions", spending, **{"Idempotency-Key": f"old-{n}"})
    IdempotencyKey.objects.update(created_at=timezone.now() - idempotency.LIFETIME - timedelta(seconds=1))

    api(bob).post("transactions", spending, **KEY)

    assert [row.key for row in IdempotencyKey.objects.all()] == [KEY["Idempotency-Key"]]


@pytest.mark.parametrize("round", range(3))
def test_duplicates_that_arrive_at_once_are_done_once(committed, api, bob, account, spending, round):
    together = threading.Barrier(8)

    def send(_):
        try:
            client = api(bob)
            together.wait(timeout=10)
            return client.post("transactions", spending, **KEY)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(8)))

    assert {(each.status_code, each.content) for each in answers} == {(201, answers[0].content)}
    assert sorted("Idempotent-Replayed" in each for each in answers) == [False] + [True] * 7
    assert Transaction.objects.count() == 1
    assert balance(account) == Decimal("-12.50")


def test_key_and_change_are_committed_together_or_not_at_all(committed, api, bob, account, spending, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("the machine stopped here")

    monkeypatch.setattr("ledger.idempotency.JSONRenderer.render", broken)
    with pytest.raises(RuntimeError):
        api(bob).post("transactions", spending, **KEY)

    assert not connection.in_atomic_block
    assert not IdempotencyKey.objects.exists()
    assert not Transaction.objects.exists()
    assert balance(account) == 0
