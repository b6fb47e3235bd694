"""Who may see the debug page, and who may change credit there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from ledger.models import CreditBalance

ONE = {"amount": "1.00", "reason": "reward"}


def change(client: Client, body: object = ONE) -> int:
    """Ask for a change of credit; return the status of the answer."""
    return client.post("/debug/credit", body, content_type="application/json").status_code


@pytest.fixture
def clerk(make_user: Callable[..., User]) -> User:
    """Staff, with no right to write entries of credit."""
    return make_user("clerk", is_staff=True)


@pytest.mark.parametrize("way", ["get", "post"])
def test_who_is_not_signed_in_is_sent_to_the_sign_in(way: str, client: Client, db: None) -> None:
    response = getattr(client, way)("/debug" if way == "get" else "/debug/credit")

    assert (response.status_code, response["Location"].split("?")[0]) == (302, "/accounts/login/")


def test_to_who_is_not_staff_there_is_no_such_page(client: Client, alice: User) -> None:
    client.force_login(alice)

    assert client.get("/debug").status_code == 404
    assert change(client) == 404
    assert not CreditBalance.objects.exists()


def test_with_debug_on_everybody_signed_in_has_it(client: Client, alice: User, settings: Settings) -> None:
    settings.DEBUG = True
    client.force_login(alice)

    assert client.get("/debug").status_code == 200
    assert change(client) == 200
    assert CreditBalance.objects.get().balance == 1


def test_staff_see_it_and_change_credit_only_with_the_right_to(client: Client, clerk: User) -> None:
    client.force_login(clerk)
    page = client.get("/debug").content.decode()
    refused = change(client)

    clerk.user_permissions.add(Permission.objects.get(codename="add_creditentry"))

    assert 'id="credit"' not in page
    assert refused == 403
    assert 'id="credit"' in client.get("/debug").content.decode()
    assert change(client) == 200
    assert CreditBalance.objects.get().balance == 1


@pytest.mark.parametrize(
    "body",
    [
        {"amount": "much", "reason": "reward"},
        {"amount": "0", "reason": "reward"},
        {"amount": "-1", "reason": "usage"},
        {"amount": "NaN", "reason": "reward"},
        {"amount": "1", "reason": "whim"},
        {"amount": "1"},
        [],
        "{",
    ],
)
def test_what_makes_no_sense_is_refused_in_words(body: object, client: Client, admin: User) -> None:
    client.force_login(admin)

    response = client.post("/debug/credit", body, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["detail"]
    assert not CreditBalance.objects.filter(balance__gt=0).exists()


def test_without_its_csrf_token_nothing_is_changed(admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)

    assert change(client) == 403
    assert not CreditBalance.objects.exists()


def test_the_page_has_no_script_of_its_own_and_names_every_field(client: Client, admin: User) -> None:
    client.force_login(admin)

    page = client.get("/debug").content.decode()

    assert page.count("<script") == page.count('<script type="module" src=') + page.count('type="application/json"')
    assert " onclick=" not in page
    assert " style=" not in page


def test_json_nested_without_end_is_refused(client: Client, admin: User) -> None:
    client.force_login(admin)

    answer = client.post("/debug/credit", "[" * 100_000, content_type="application/json")

    assert answer.status_code == 400
    assert not CreditBalance.objects.exists()
