"""What strangers and members send to the doors of this app is refused in words, whatever it is."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import Family, User

DEEP = 5_000
DOORS = ["auth/token", "auth/refresh", "auth/logout"]
BAD = {
    "5,000 brackets": '{"name": ' + "[" * DEEP + "]" * DEEP + "}",
    "5,000 brackets, open": "[" * DEEP,
    "5,000 objects": '{"name":' * DEEP + "1" + "}" * DEEP,
    "a number of 5,000 digits": f'{{"name": {"9" * 5000}}}',
    "duplicate keys": '{"name": "One", "name": "Two"}',
    "half a surrogate pair": '{"name": "\\ud800"}',
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("door", DOORS)
def test_what_a_stranger_sends_is_refused(db: None, door: str, bad: str) -> None:
    answer = APIClient().post(f"/api/v1/{door}", BAD[bad], content_type="application/json")

    assert answer.status_code == 400


@pytest.mark.parametrize("bad", BAD)
def test_what_a_user_sends_is_refused_and_makes_nothing(
    bob: User, client_of: Callable[[User], APIClient], bad: str
) -> None:
    before = Family.objects.count()

    answer = client_of(bob).post("/api/v1/families", BAD[bad], content_type="application/json")

    assert answer.status_code == 400
    assert Family.objects.count() == before


@pytest.mark.parametrize("door", [*DOORS, "families"])
def test_a_body_of_more_than_64_kibibytes_is_not_read(
    bob: User, client_of: Callable[[User], APIClient], door: str
) -> None:
    answer = client_of(bob).post(f"/api/v1/{door}", {"name": "x" * 65 * 1024})

    assert answer.status_code == 413


@pytest.mark.parametrize("place", ["p=x", "p=%00", "p=1", "r=1&p=x", "o=1&p=é"])
@pytest.mark.parametrize("of_members", [False, True])
def test_a_page_that_is_none_is_not_found(
    alice: User, family: Family, client_of: Callable[[User], APIClient], place: str, of_members: bool
) -> None:
    path = f"/api/v1/families/{family.pk}/members" if of_members else "/api/v1/families"

    answer = client_of(alice).get(path, {"page": base64.b64encode(place.encode()).decode()})

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Invalid cursor"}


def test_the_pages_that_are_follow_each_other(alice: User, client_of: Callable[[User], APIClient]) -> None:
    client = client_of(alice)
    for name in ("One", "Two"):
        client.post("/api/v1/families", {"name": name})

    names, address = [], "/api/v1/families?limit=1"
    while address:
        page = client.get(address).json()
        names += [each["name"] for each in page["results"]]
        address = page["next"]

    assert names == ["Miller", "One", "Two"]
