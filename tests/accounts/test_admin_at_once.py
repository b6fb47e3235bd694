"""A family's page, sent while somebody else changes its members, keeps an owner as well.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

import pytest

from accounts import members
from accounts.models import Membership
from tests.accounts.test_admin import change_page, members_form, staff
from tests.realtime.concurrently import answered_after

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_writers")]

__all__ = ["staff"]


@pytest.fixture
def rows(alice, bob, family):
    """The memberships of the two owners that the family has."""
    Membership.objects.filter(user=bob).update(role="owner")
    return [Membership.objects.get(user=user) for user in (alice, bob)]


def demoted(family, rows, which):
    """The form in which one of them is an owner no more."""
    return members_form(family, *((row, {"role": "member"} if row is which else {}) for row in rows))


def owners_of(family):
    return Membership.objects.filter(family=family, role="owner").count()


def test_two_pages_that_take_a_family_an_owner_each_leave_one(staff, family, rows):
    forms = [demoted(family, rows, which) for which in rows]

    answer = answered_after(
        lambda: staff.post(change_page(family), forms[0]),
        lambda: staff.post(change_page(family), forms[1]),
        waits=False,
    )

    assert answer.status_code == 200
    assert "Somebody else has changed this" in answer.content.decode()
    assert owners_of(family) == 1


def test_a_page_and_a_request_that_take_a_family_an_owner_each_leave_one(staff, alice, bob, family, rows):
    form = demoted(family, rows, rows[1])

    answer = answered_after(
        lambda: members.remove(family.pk, alice.pk, by=alice),
        lambda: staff.post(change_page(family), form),
        waits=False,
    )

    assert answer.status_code == 200
    assert owners_of(family) == 1
