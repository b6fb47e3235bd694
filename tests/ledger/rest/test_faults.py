"""What a caller sees when databases deadlock and Redis is dead: an answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import OperationalError, connections, transaction
from django.db.models import F

from accounts import writes
from ledger.models import Account, Balance, Transaction


class Deadlock(Exception):
    sqlstate = "40P01"


def taken_back():
    error = OperationalError("deadlock detected")
    error.__cause__ = Deadlock()
    return error


@pytest.fixture
def failing(monkeypatch):
    """``failing(times)``: the next saves of a transaction are taken back by the database."""

    def fail(times):
        left, save = [times], Transaction.save

        def failing_save(self, *args, **kwargs):
            save(self, *args, **kwargs)
            left[0] -= 1
            if left[0] >= 0:
                raise taken_back()

        monkeypatch.setattr(Transaction, "save", failing_save)

    return fail


def test_a_deadlock_is_tried_again_and_done_once(committed, api, bob, account, failing):
    failing(writes.ATTEMPTS - 1)

    answer = api(bob).post("transactions", {"account_id": str(account.pk), "amount": "-5.00", "description": ""})

    assert answer.status_code == 201
    assert Transaction.objects.count() == 1
    assert Balance.objects.get(account=account).balance == Decimal("-5.00")


def test_an_endless_deadlock_is_an_answer_too(committed, api, bob, account, failing):
    failing(writes.ATTEMPTS)

    answer = api(bob).post("transactions", {"account_id": str(account.pk), "amount": "-5.00", "description": ""})

    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert "try again" in answer.json()["detail"]
    assert not Transaction.objects.exists()


def test_another_failure_of_the_database_is_not_repeated(committed, api, bob, account, monkeypatch):
    tried = []

    def broken(self, *args, **kwargs):
        tried.append(1)
        raise OperationalError("disk full")

    monkeypatch.setattr(Transaction, "save", broken)

    with pytest.raises(OperationalError):
        api(bob).post("transactions", {"account_id": str(account.pk), "amount": "-5.00", "description": ""})
    assert tried == [1]


def test_transfers_in_opposite_directions_all_succeed(committed, api, alice, bob, account, savings):
    together = threading.Barrier(8)

    def move(n):
        try:
            client = api(alice if n % 2 else bob)
            ends = (account, savings) if n % 2 else (savings, account)
            together.wait(timeout=10)
            return [
                client.post(
                    "transfers",
                    {"from_account_id": str(ends[0].pk), "to_account_id": str(ends[1].pk), "amount": "1.00"},
                ).status_code
                for _ in range(5)
            ]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        answers = [status for statuses in threads.map(move, range(8)) for status in statuses]

    assert answers == [201] * 40
    assert [Balance.objects.get(account=each).balance for each in (account, savings)] == [0, 0]


def test_a_row_deleted_while_it_is_changed_is_not_found(committed, api, bob, account, spend, monkeypatch):
    row = spend(account)
    save = Transaction.save

    def too_late(self, *args, **kwargs):
        Transaction.objects.filter(pk=self.pk).delete()
        save(self, *args, **kwargs)

    monkeypatch.setattr(Transaction, "save", too_late)

    answer = api(bob).patch(f"transactions/{row.pk}", {"amount": "-1.00"})

    assert answer.status_code == 404


def test_an_account_deleted_while_it_is_written_to_is_an_answer(committed, api, bob, account, monkeypatch):
    save = Transaction.save

    def too_late(self, *args, **kwargs):
        Account.objects.filter(pk=account.pk).delete()
        save(self, *args, **kwargs)

    monkeypatch.setattr(Transaction, "save", too_late)

    answer = api(bob).post("transactions", {"account_id": str(account.pk), "amount": "-5.00", "description": ""})

    assert answer.status_code in (404, 409)
    assert Account.objects.filter(pk=account.pk).exists()


@pytest.mark.faults
@pytest.mark.parametrize("state", ["killed", "frozen"])
def test_a_dead_redis_delays_no_answer(redis_server, committed, api, bob, account, state):
    client = api(bob)
    body = {"account_id": str(account.pk), "amount": "-1.00", "description": ""}
    client.post("transactions", body)
    redis_server.kill() if state == "killed" else redis_server.freeze()

    slowest = 0.0
    for n in range(10):
        started = time.monotonic()
        answer = client.post("transactions", body, **{"Idempotency-Key": f"dead-{n}"})
        slowest = max(slowest, time.monotonic() - started)
        assert answer.status_code == 201

    assert slowest < 1.0
    assert Balance.objects.get(account=account).balance == Decimal("-11.00")


def test_a_lost_update_cannot_happen(committed, api, bob, account, spend):
    row = spend(account, "-1.00", description="old", category="old")
    together = threading.Barrier(2)

    def change(body):
        try:
            client = api(bob)
            together.wait(timeout=10)
            return client.patch(f"transactions/{row.pk}", body).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(change, [{"description": "new"}, {"category": "new"}]))

    assert answers == [200, 200]
    shown = api(bob).get(f"transactions/{row.pk}").json()
    assert (shown["description"], shown["category"], shown["version"]) == ("new", "new", 3)


def test_what_atomically_runs_inside_another_transaction_is_tried_once(db, account):
    tried = []

    def work():
        tried.append(1)
        Account.objects.filter(pk=account.pk).update(name=F("name"))
        raise taken_back()

    with pytest.raises(OperationalError), transaction.atomic():
        writes.atomically(work)
    assert tried == [1]
