"""The admin's lists say how many of their rows have changed since they were loaded: those they show or would show."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import User
from ledger.models import Account, Transaction
from ledger.services import credits as credit
from realtime import log
from realtime.desk import news

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]

LIST = reverse("admin:ledger_transaction_changelist")


@pytest.fixture
def row(account: Account) -> Transaction:
    """A posted transaction."""
    return Transaction.objects.create(account=account, amount=Decimal("1.00"), description="Old")


class List:
    """One list, as somebody has it open."""

    def __init__(self, client: Client, path: str, **query: str) -> None:
        sequence()
        self._client = client
        self._query = query
        text = client.get(path, query).content.decode()
        found = re.search(r'<script id="desk-data" type="application/json">(.*?)</script>', text)
        assert found
        self.given: dict[str, Any] = json.loads(found[1])

    def ask(self, **query: str) -> Any:
        sequence()
        asked = {"_behind": self.given["cursor"], "_shown": ",".join(self.given["shown"]), **self._query, **query}
        return self._client.get(self.given["urls"]["newer"], asked)

    @property
    def newer(self) -> int:
        answer = self.ask()
        assert answer.status_code == 200, answer.content
        assert not answer.json()["many"]
        count: int = answer.json()["count"]
        return count


def sequence() -> None:
    while log.sequence():
        pass


@pytest.fixture
def open_list(client: Client, admin: User) -> Callable[..., List]:
    """``open_list(path, status__exact="posted")``, as the admin."""
    client.force_login(admin)
    return lambda path=LIST, **query: List(client, path, **query)


def test_a_list_that_was_just_loaded_is_the_newest(open_list: Callable[..., List], row: Transaction) -> None:
    assert open_list().newer == 0


def test_rows_that_came_and_changed_count_once_each(
    open_list: Callable[..., List], account: Account, row: Transaction
) -> None:
    opened = open_list()

    Transaction.objects.create(account=account, amount=Decimal("2.00"))
    for description in ("New", "Newer"):
        row.description = description
        row.save()

    assert opened.newer == 2


def test_a_row_that_is_shown_and_gone_is_newer_and_one_that_came_and_went_is_not(
    open_list: Callable[..., List], account: Account, row: Transaction
) -> None:
    opened = open_list()

    row.delete()
    Transaction.objects.create(account=account, amount=Decimal("2.00")).delete()

    assert opened.newer == 1


def test_only_what_fits_the_filter_counts(open_list: Callable[..., List], account: Account, row: Transaction) -> None:
    pending, searched = open_list(status__exact="pending"), open_list(q="needle")

    Transaction.objects.create(account=account, amount=Decimal("2.00"), description="hay")
    Transaction.objects.create(account=account, amount=Decimal("2.00"), description="a needle")
    Transaction.objects.create(account=account, amount=Decimal("2.00"), description="needle", status="pending")

    assert (pending.newer, searched.newer) == (1, 2)


def test_what_is_shown_and_no_longer_fits_the_filter_is_newer(open_list: Callable[..., List], row: Transaction) -> None:
    opened = open_list(status__exact="posted")

    row.status = "void"
    row.save()

    assert opened.newer == 1


@pytest.mark.parametrize("model", ["balance", "creditbalance", "creditentry"])
def test_balances_and_credits_are_looked_after_too(
    model: str, open_list: Callable[..., List], account: Account, alice: User
) -> None:
    credit.change(alice, Decimal(5), "reward")
    opened = open_list(reverse(f"admin:ledger_{model}_changelist"))
    assert opened.newer == 0

    Transaction.objects.create(account=account, amount=Decimal("2.00"))
    credit.change(alice, Decimal(1), "reward")

    assert opened.newer == 1


def test_many_are_not_counted_and_the_log_is_not_read_without_end(
    open_list: Callable[..., List], account: Account, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    opened, old = open_list(), open_list()
    monkeypatch.setattr(news, "MOST_ROWS", 2)
    for _ in range(3):
        Transaction.objects.create(account=account, amount=Decimal("2.00"))

    many = opened.ask().json()
    monkeypatch.setattr(news, "MOST_ROWS", 99)
    monkeypatch.setattr(news, "PAGES", 1)
    settings.REALTIME = {**settings.REALTIME, "PAGE": 3}
    long_ago = old.ask().json()

    assert many == long_ago == {"count": 0, "many": True}


def test_pages_of_the_log_are_put_together(
    open_list: Callable[..., List], account: Account, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE": 2}
    opened = open_list()

    for _ in range(5):
        Transaction.objects.create(account=account, amount=Decimal("2.00"))

    assert opened.newer == 5


def test_a_list_of_another_history_is_told_that_there_are_many(open_list: Callable[..., List]) -> None:
    opened = open_list()

    log.new_epoch()

    assert opened.ask().json() == {"count": 0, "many": True}


@pytest.mark.parametrize("query", [{"_behind": "nonsense"}, {"_behind": ""}, {"account__owner__password": "x"}])
def test_what_makes_no_sense_is_refused_with_what_to_do(
    query: dict[str, str], open_list: Callable[..., List], account: Account
) -> None:
    opened = open_list()
    Transaction.objects.create(account=account, amount=Decimal("2.00"))

    answer = opened.ask(**query)

    assert (answer.status_code, answer.json()) == (400, {"detail": "This list cannot be asked so: reload it."})


def test_viewing_is_right_enough_and_without_it_nothing_is_said(
    client: Client, make_user: Callable[..., User], account: Account
) -> None:
    stan = make_user("stan", is_staff=True)
    stan.user_permissions.set(Permission.objects.filter(codename="view_transaction"))
    client.force_login(stan)
    opened = List(client, LIST)
    Transaction.objects.create(account=account, amount=Decimal("2.00"))

    assert opened.newer == 1
    stan.user_permissions.clear()
    assert opened.ask().status_code == 403
    client.logout()
    assert opened.ask().status_code == 302


def test_a_window_that_only_chooses_a_row_watches_nothing(client: Client, admin: User, account: Account) -> None:
    client.force_login(admin)

    assert "desk-data" not in client.get(LIST, {"_popup": "1"}).content.decode()
