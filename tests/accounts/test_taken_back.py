"""A change of members that the database takes back for the sake of another transaction is done again, whole.

Only PostgreSQL lets two transactions write at the same time, and so wait for each other.
"""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection

from accounts import writes
from accounts.models import Family, Membership
from tests.accounts.test_admin import change_page, members_form, staff
from tests.realtime.concurrently import met_the_wrong_way_round

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_writers")]

__all__ = ["staff"]

REQUESTS = {
    "rename": ("patch", "", {"name": "Muller"}, 200),
    "add": ("post", "/members", {"username": "charlie", "role": "viewer"}, 201),
    "change": ("patch", "/members/{bob}", {"role": "viewer"}, 200),
    "remove": ("delete", "/members/{bob}", {}, 204),
}

OUTCOMES = {
    "rename": ("Muller", {"alice": "owner", "bob": "member"}),
    "add": ("Miller", {"alice": "owner", "bob": "member", "charlie": "viewer"}),
    "change": ("Miller", {"alice": "owner", "bob": "viewer"}),
    "remove": ("Miller", {"alice": "owner"}),
}


def send(client, family, bob, request):
    method, path, body, _ = REQUESTS[request]
    return getattr(client, method)(f"/api/v1/families/{family.pk}{path.format(bob=bob.pk)}", body)


@pytest.fixture
def taken_back(monkeypatch):
    """The codes with which the database has taken transactions back."""
    codes, judge = [], writes.was_taken_back
    monkeypatch.setattr(
        writes, "was_taken_back", lambda error: judge(error) and not codes.append(error.__cause__.sqlstate)
    )
    return codes


def roles_in(family):
    return dict(Membership.objects.filter(family=family).values_list("user__username", "role"))


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_deadlock_is_tried_again_and_done_once(alice, bob, charlie, family, client_of, taken_back, request_):
    answer = met_the_wrong_way_round(
        lambda: Membership.objects.filter(user=alice).update(joined_at="2020-01-01T00:00Z"),
        lambda: Family.objects.filter(pk=family.pk).update(created_at="2020-01-01T00:00Z"),
        lambda: send(client_of(alice), family, bob, request_),
    )

    assert answer.status_code == REQUESTS[request_][3]
    assert taken_back == ["40P01"]
    assert (Family.objects.get(pk=family.pk).name, roles_in(family)) == OUTCOMES[request_]
    assert Family.objects.get(pk=family.pk).created_at.year == 2020


def test_a_page_of_the_admin_is_tried_again_and_done_once(staff, alice, bob, family, taken_back):
    rows = [Membership.objects.get(user=user) for user in (alice, bob)]
    form = members_form(family, (rows[0], {}), (rows[1], {"role": "viewer"}))

    answer = met_the_wrong_way_round(
        lambda: list(Membership.objects.filter(user=bob).select_for_update()),
        lambda: list(Family.objects.select_for_update()),
        lambda: staff.post(change_page(family), form),
    )

    assert (answer.status_code, taken_back) == (302, ["40P01"])
    assert roles_in(family) == {"alice": "owner", "bob": "viewer"}
    assert LogEntry.objects.count() == 1


@pytest.fixture
def endless(alice, bob, monkeypatch):
    """Whatever saves a membership is taken back."""

    def ended(*args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")

    monkeypatch.setattr(Membership, "save", ended)


@pytest.mark.usefixtures("endless")
def test_an_endless_deadlock_is_an_answer_too(alice, bob, family, client_of):
    answer = send(client_of(alice), family, bob, "change")

    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert "try again" in answer.json()["detail"]
    assert roles_in(family) == {"alice": "owner", "bob": "member"}


@pytest.mark.usefixtures("endless")
def test_an_endless_deadlock_is_said_on_the_page_of_the_admin(staff, alice, bob, family):
    rows = [Membership.objects.get(user=user) for user in (alice, bob)]
    form = members_form(family, (rows[0], {}), (rows[1], {"role": "viewer"}))

    answer = staff.post(change_page(family), form, follow=True)

    assert [str(each) for each in answer.context["messages"]] == [str(writes.Busy.default_detail)]
    assert roles_in(family) == {"alice": "owner", "bob": "member"}
    assert not LogEntry.objects.exists()
