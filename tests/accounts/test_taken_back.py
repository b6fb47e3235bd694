"""A change of members that the database takes back for the sake of another transaction is done again, whole.

Only PostgreSQL lets two transactions write at the same time, and so wait for each other.
"""

from __future__ import annotations

from threading import Event

import pytest
from django.db import connection, transaction

from accounts import writes
from accounts.models import Family, Membership
from tests.realtime.concurrently import PATIENCE, beside, until_somebody_waits_for_a_lock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_writers")]

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


def change_both_in_the_wrong_order(family, member, begun):
    """In one transaction a membership, and the family once somebody who has that waits for the membership."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            # The database ends who first finds that all wait for each other: this one is not to be it.
            cursor.execute(
                "SELECT set_config('deadlock_timeout', '10s', true) WHERE current_setting('is_superuser') = 'on'"
            )
        Membership.objects.filter(user=member).update(joined_at="2020-01-01T00:00Z")
        begun.set()
        until_somebody_waits_for_a_lock()
        Family.objects.filter(pk=family.pk).update(created_at="2020-01-01T00:00Z")


def roles_in(family):
    return dict(Membership.objects.filter(family=family).values_list("user__username", "role"))


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_deadlock_is_tried_again_and_done_once(alice, bob, charlie, family, client_of, monkeypatch, request_):
    taken_back, judge = [], writes.was_taken_back
    monkeypatch.setattr(writes, "was_taken_back", lambda error: judge(error) and not taken_back.append(error))
    begun = Event()

    with beside(lambda: begun.wait(PATIENCE) and send(client_of(alice), family, bob, request_)) as answered:
        change_both_in_the_wrong_order(family, alice, begun)
        answer = answered.result(PATIENCE)

    assert answer.status_code == REQUESTS[request_][3]
    assert [error.__cause__.sqlstate for error in taken_back] == ["40P01"]
    assert (Family.objects.get(pk=family.pk).name, roles_in(family)) == OUTCOMES[request_]
    assert Family.objects.get(pk=family.pk).created_at.year == 2020


def test_an_endless_deadlock_is_an_answer_too(alice, bob, family, client_of, monkeypatch):
    def taken_back(*args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")

    monkeypatch.setattr(Membership, "save", taken_back)

    answer = send(client_of(alice), family, bob, "change")

    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert "try again" in answer.json()["detail"]
    assert roles_in(family) == {"alice": "owner", "bob": "member"}
