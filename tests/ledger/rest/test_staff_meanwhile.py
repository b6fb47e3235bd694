"""Credit and notices by somebody who is of the staff no more, or not active, once the write comes to it.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest

from accounts.models import User
from ledger.models import CreditEntry, Notification
from ledger.services import credits as credit
from tests.realtime.concurrently import PATIENCE, answered_after, beside

pytestmark = pytest.mark.usefixtures("committed", "two_writers")

answered = partial(answered_after, waits=False)

# With what a demoted and a deactivated user is answered.
BY_STAFF = {
    "give credit": ("credits", {"user_id": "{bob}", "amount": "1.00", "reason": "reward"}, 404, 404),
    "give oneself credit": ("credits", {"amount": "1.00", "reason": "reward"}, 403, 404),
    "tell everybody": ("notifications", {"title": "Hello"}, 403, 403),
    "tell a user": ("notifications", {"title": "Hello", "user_id": "{bob}"}, 403, 403),
    "tell a family": ("notifications", {"title": "Hello", "family_id": "{family}"}, 404, 404),
}


@pytest.mark.parametrize("right", ["is_staff", "is_active"])
@pytest.mark.parametrize("request_", BY_STAFF)
def test_who_is_not_of_the_staff_any_more_does_nothing_that_only_staff_may(api, admin, bob, family, request_, right):
    path, body, demoted, deactivated = BY_STAFF[request_]
    body = {name: value.format(bob=bob.pk, family=family.pk) for name, value in body.items()}

    answer = answered(
        lambda: User.objects.filter(pk=admin.pk).update(**{right: False}), lambda: api(admin).post(path, body)
    )

    assert answer.status_code == (demoted if right == "is_staff" else deactivated)
    assert not (CreditEntry.objects.exists() or Notification.objects.exists())


def test_who_is_deactivated_meanwhile_uses_no_credit(api, bob):
    credit.change(bob, Decimal(5), "reward")

    answer = answered(
        lambda: User.objects.filter(pk=bob.pk).update(is_active=False),
        lambda: api(bob).post("credits", {"amount": "-1.00", "reason": "usage"}),
    )

    assert answer.status_code == 404
    assert credit.balance_of(bob).balance == 5


def test_two_of_the_staff_give_each_other_credit_at_once(api, admin, make_user):
    other = make_user("other", is_staff=True)
    for one in (admin, other):
        credit.change(one, Decimal(1), "reward")

    def give(giver, taker):
        body = {"user_id": str(taker.pk), "amount": "1.00", "reason": "reward"}
        return api(giver).post("credits", body).status_code

    with (
        beside(lambda: give(admin, other)) as one,
        beside(lambda: give(other, admin)) as another,
    ):
        assert (one.result(PATIENCE), another.result(PATIENCE)) == (201, 201)
