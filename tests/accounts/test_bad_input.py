"""What strangers and members send to the doors of this app is refused in words, whatever it is."""

from __future__ import annotations

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
