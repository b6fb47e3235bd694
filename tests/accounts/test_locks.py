"""Guessing passwords: one user from one address waits, at every door, and nobody else does."""

from __future__ import annotations

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from config.proxies import behind_proxies
from tests.conftest import PASSWORD

LIMIT = 3
HERE, THERE = "192.0.2.1", "192.0.2.2"
DOORS = ["/accounts/login/", "/admin/login/", "/api/v1/auth/token"]


@pytest.fixture(autouse=True)
def limit(settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = LIMIT


def sign_in(door: str, username: str, password: str = PASSWORD, address: str = HERE) -> HttpResponse:
    kind = "application/json" if door.startswith("/api") else None
    options: dict[str, Any] = {"content_type": kind} if kind else {}
    answer: Any = Client(REMOTE_ADDR=address).post(door, {"username": username, "password": password}, **options)
    return answer


def guess(door: str, username: str, times: int = LIMIT, address: str = HERE) -> list[int]:
    return [sign_in(door, username, f"wrong {number}", address).status_code for number in range(times)]


def is_in(answer: HttpResponse) -> bool:
    return answer.status_code == 302 or b'"access"' in answer.content


@pytest.mark.parametrize("door", DOORS)
def test_after_so_many_guesses_the_right_password_has_to_wait_too(door: str, admin: User) -> None:
    statuses = guess(door, admin.username)

    answer = sign_in(door, admin.username)

    assert 429 not in statuses[:-1]
    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    assert b"Too many wrong passwords" in answer.content
    assert not answer.cookies.get("sessionid")


@pytest.mark.parametrize("door", DOORS)
def test_a_lock_holds_at_every_door(door: str, admin: User) -> None:
    guess("/api/v1/auth/token", admin.username)

    assert sign_in(door, admin.username).status_code == 429


@pytest.mark.parametrize("door", DOORS)
def test_the_user_at_another_address_and_others_at_this_one_are_not_locked(
    door: str, admin: User, make_user: Any
) -> None:
    other = make_user("other", is_staff=True)
    guess(door, admin.username)

    assert is_in(sign_in(door, admin.username, address=THERE))
    assert is_in(sign_in(door, other.username))


@pytest.mark.parametrize("door", DOORS)
def test_who_signs_in_begins_anew(door: str, admin: User) -> None:
    for _ in range(3):
        guess(door, admin.username, LIMIT - 1)
        assert is_in(sign_in(door, admin.username))


def test_a_locked_pair_cannot_be_kept_locked_by_going_on(admin: User, settings: Any) -> None:
    guess("/accounts/login/", admin.username)
    before = AccessAttempt.objects.get().attempt_time
    guess("/accounts/login/", admin.username, 3)

    attempt = AccessAttempt.objects.get()

    assert (attempt.attempt_time, attempt.failures_since_start) == (before, LIMIT)


def test_when_the_pause_is_over_the_password_is_good_again(admin: User, settings: Any) -> None:
    guess("/accounts/login/", admin.username)
    attempt = AccessAttempt.objects.get()
    AccessAttempt.objects.update(attempt_time=attempt.attempt_time - settings.AXES_COOLOFF_TIME)

    assert is_in(sign_in("/accounts/login/", admin.username))


def test_addresses_of_one_ipv6_network_are_one(admin: User) -> None:
    for number in range(LIMIT):
        guess("/accounts/login/", admin.username, 1, f"2001:db8:1:2::{number}")

    assert sign_in("/accounts/login/", admin.username, address="2001:db8:1:2::99").status_code == 429
    assert is_in(sign_in("/accounts/login/", admin.username, address="2001:db8:1:3::1"))


async def test_behind_a_proxy_it_is_the_client_that_is_counted(settings: Any) -> None:
    from accounts.locks import address_of
    from realtime.handshake import request_of

    settings.PROXIES = ["10.0.0.0/8"]
    seen: list[str | None] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(address_of(request_of(scope)))

    scope = {"type": "http", "path": "/", "headers": [(b"x-forwarded-for", b"203.0.113.7")]}
    for peer in ("10.1.2.3", "198.51.100.9"):
        await behind_proxies(application)({**scope, "client": (peer, 1)}, None, None)

    assert seen == ["203.0.113.7", "198.51.100.9"]


def test_nothing_that_was_typed_or_stood_in_the_address_is_kept(admin: User) -> None:
    client = Client(REMOTE_ADDR=HERE)
    client.post(
        "/accounts/login/?token=hunter2&ticket=hunter3&next=/%3Ftoken%3Dhunter4",
        {"username": admin.username, "password": "hunter5", "csrfmiddlewaretoken": "hunter6"},
    )

    (row,) = AccessAttempt.objects.values()

    assert "hunter" not in str(row)


@pytest.mark.parametrize("door", DOORS)
def test_a_name_longer_than_any_users_is_refused_and_locked_like_others(door: str, admin: User) -> None:
    name = "x" * 10_000

    statuses = guess(door, name)

    assert statuses[0] == sign_in(door, "nobody").status_code
    assert sign_in(door, name).status_code == 429
