"""How often one user may ask."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache

from ledger.api.throttles import ScopedThrottle
from ledger.models import Transaction


@pytest.fixture
def rates(monkeypatch):
    """Three reads and two writes in a minute that has just begun."""
    monkeypatch.setattr(ScopedThrottle, "THROTTLE_RATES", {"ledger_read": "3/min", "ledger_write": "2/min"})
    monkeypatch.setattr(ScopedThrottle, "timer", staticmethod(lambda: 600_000.0))


def test_reads_and_writes_are_counted_apart_and_per_user(api, alice, bob, account, rates):
    body = {"account_id": str(account.pk), "amount": "1.00", "description": ""}

    reads = [api(bob).get("accounts").status_code for _ in range(4)]
    writes = [api(bob).post("transactions", body).status_code for _ in range(3)]

    assert reads == [200, 200, 200, 429]
    assert writes == [201, 201, 429]
    assert Transaction.objects.count() == 2
    assert api(alice).get("accounts").status_code == 200


def test_who_asked_too_often_is_told_when_to_come_back(api, bob, rates, monkeypatch):
    for _ in range(3):
        api(bob).get("accounts")
    monkeypatch.setattr(ScopedThrottle, "timer", staticmethod(lambda: 600_050.0))

    answer = api(bob).get("accounts")

    assert (answer.status_code, answer["Retry-After"]) == (429, "10")
    monkeypatch.setattr(ScopedThrottle, "timer", staticmethod(lambda: 600_060.0))
    assert api(bob).get("accounts").status_code == 200


def test_a_dead_cache_refuses_nobody(api, bob, rates, monkeypatch):
    class Dead(BaseCache):
        def add(self, *args, **kwargs):
            raise ConnectionError("gone")

    monkeypatch.setattr(ScopedThrottle, "cache", Dead({}))

    assert {api(bob).get("accounts").status_code for _ in range(10)} == {200}
    assert cache.get("anything") is None
