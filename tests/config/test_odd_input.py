"""Whatever stands in an address of the admin, or in its forms, is refused and no failure of the server's."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from ledger.models import Transaction

ADDRESSES = [
    "ledger/account/?name=%00",
    "ledger/account/?type__exact=%00",
    "ledger/account/?created_at__year=99999999999",
    "ledger/account/?name__regex=(",
    "ledger/rule/?amount_min=1e999999999",
    "ledger/transaction/add/?account=x",
    "ledger/notification/add/?user=x",
    "autocomplete/?app_label=ledger&model_name=transaction&field_name=payee&term=%00",
    "realtime/operations/connections/data/?user=%00",
    "realtime/event/?about=%00",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_cannot_be_is_refused(client: Client, admin: User, address: str) -> None:
    client.raise_request_exception = False
    client.force_login(admin)

    answer = client.get(f"/admin/{address}")

    assert answer.status_code < 500


def test_an_id_that_is_none_in_a_form_makes_nothing(client: Client, admin: User) -> None:
    client.raise_request_exception = False
    client.force_login(admin)

    answer = client.post("/admin/ledger/transaction/add/", {"account": "x", "amount": "1.00", "date": "2026-01-02"})

    assert answer.status_code == 400
    assert not Transaction.objects.exists()
    assert client.get("/admin/ledger/transaction/").status_code == 200


def test_elsewhere_a_failure_stays_one(client: Client, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(user: User) -> None:
        raise OverflowError

    monkeypatch.setattr("ledger.pages.ledger_data", fails)
    client.force_login(admin)
    client.raise_request_exception = False

    assert client.get("/").status_code == 500
