"""Who signs in, or renews their tokens, while they are deleted is refused like anybody who is not there.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from accounts.authentication import issue
from accounts.models import User
from tests.conftest import PASSWORD
from tests.realtime.concurrently import answered_after

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_writers")]


@pytest.mark.parametrize("door", ["token", "refresh", "logout"])
def test_who_comes_in_while_they_are_deleted_is_refused(bob, door):
    given = {"username": "bob", "password": PASSWORD} if door == "token" else {"refresh": str(issue(bob))}

    answer = answered_after(
        lambda: User.objects.filter(pk=bob.pk).delete(),
        lambda: APIClient().post(f"/api/v1/auth/{door}", given, format="json"),
        waits=False,
    )

    assert answer.status_code in ((401,) if door != "logout" else (204, 401))
