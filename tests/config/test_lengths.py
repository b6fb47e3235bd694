"""A body that comes in chunks is read like any other."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest

from accounts.models import Family, User
from ledger.models import Account, Transaction
from tests.clients import access_token
from tests.live import LiveServer


@pytest.fixture
def account(family: Family, alice: User) -> Account:
    return Account.objects.create(family=family, owner=alice, name="Everyday", currency="EUR")


def test_a_change_that_comes_in_chunks_is_made(
    live_servers: Callable[..., LiveServer], account: Account, alice: User
) -> None:
    row = Transaction.objects.create(account=account, amount=Decimal(-1))
    server = live_servers()
    headers = {"Authorization": f"Bearer {access_token(alice)}", "Content-Type": "application/json"}

    with httpx.Client(base_url=f"{server.url}/api/v1/", headers=headers) as client:
        changed = client.patch(f"transactions/{row.pk}", content=iter([b'{"amount"', b': "-2.00"}']))
        made = client.post("families", content=iter([b'{"name": ', b'"Smith"}']))
        too_long = client.post("families", content=iter([b'{"name": "', b"x" * 4 * 1024 * 1024, b'"}']))
        empty = client.patch(f"transactions/{row.pk}", content=iter([]))

    assert (changed.status_code, changed.json()["amount"]) == (200, "-2.00")
    assert (made.status_code, made.json()["name"]) == (201, "Smith")
    assert too_long.status_code in (400, 413)
    assert (empty.status_code, empty.json()["amount"]) == (200, "-2.00")
    row.refresh_from_db()
    assert row.amount == Decimal(-2)
