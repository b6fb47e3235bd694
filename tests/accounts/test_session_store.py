"""What a browser sends as the key of its session may be anything."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User

PAGES = ["/", "/data", "/accounts/login/", "/admin/", "/api/v1/me", "/api/v1/events"]
# In quotes a cookie may hold any character, by its number.
ODD = ['"\\000{}"', '"\\303\\251{}"', "'{}'", f"{{}}{'k' * 1000}", "-{}"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("odd", ODD)
def test_who_comes_with_a_key_that_can_be_none_is_a_stranger(db: None, path: str, odd: str) -> None:
    cookie = f"{settings.SESSION_COOKIE_NAME}={odd.format('k' * 32)}"
    own = {"origin": "http://testserver"}

    answer = Client().get(path, headers={"cookie": cookie, **own})

    assert answer.status_code == Client().get(path, headers=own).status_code


def test_a_session_that_was_begun_goes_on(client: Client, alice: User) -> None:
    client.force_login(alice)

    assert client.get("/data").json()["user"]["id"] == str(alice.pk)
