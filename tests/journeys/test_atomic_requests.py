"""A request that fails after it saved: its rows go, and so does the news of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from ledger.models import Account, Balance, Transaction
from realtime import log
from realtime.models import Outgoing

pytestmark = pytest.mark.django_db(transaction=True)


def save_and_fail(request: HttpRequest, account_id: str) -> HttpResponse:
    Transaction(account_id=account_id, amount="-1.00", description="never").save()
    assert Outgoing.objects.exists()
    raise RuntimeError("after the save")


urlpatterns = [path("fail/<uuid:account_id>", save_and_fail)]


@pytest.fixture
def atomic_requests(settings: Settings) -> Iterator[None]:
    """Every request in one transaction, as many projects have it."""
    settings.ROOT_URLCONF = __name__
    before = connection.settings_dict["ATOMIC_REQUESTS"]
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = before


def test_a_request_that_ends_in_500_tells_nothing(account: Account, atomic_requests: None) -> None:
    while log.waiting() is not None:
        log.sequence()
    before = log.head()

    answer = Client(raise_request_exception=False).get(f"/fail/{account.pk}")

    assert answer.status_code == 500
    assert not Transaction.objects.exists()
    assert Balance.objects.get(pk=account.pk).balance == 0
    assert log.waiting() is None
    assert log.sequence() is None
    assert log.head() == before
