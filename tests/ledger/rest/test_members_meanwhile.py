"""Who manages a family's members while the right to it is taken away changes nothing after that commit.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

from functools import partial

import pytest

from accounts.models import Family, Membership, User
from tests.ledger.test_rights_at_once import queue_behind
from tests.realtime.concurrently import answered_after

pytestmark = pytest.mark.usefixtures("committed", "two_writers")

answered = partial(answered_after, waits=False)

REQUESTS = {
    "rename": ("patch", "families/{family}", {"name": "Other"}),
    "add": ("post", "families/{family}/members", {"username": "charlie", "role": "member"}),
    "change": ("patch", "families/{family}/members/{vera}", {"role": "member"}),
    "remove": ("delete", "families/{family}/members/{vera}", None),
}


def demote(user):
    Membership.objects.filter(user=user).update(role="member")


def leave(user):
    Membership.objects.filter(user=user).update(is_active=False)


def deactivate(user):
    User.objects.filter(pk=user.pk).update(is_active=False)


def send(client, family, vera, request):
    method, path, body = REQUESTS[request]
    path = path.format(family=family.pk, vera=vera.pk)
    return getattr(client, method)(path, *(() if body is None else (body,)))


@pytest.mark.parametrize("change", [demote, leave, deactivate])
@pytest.mark.parametrize("request_", REQUESTS)
def test_whose_right_is_taken_away_meanwhile_manages_nobody(api, family, adam, charlie, vera, request_, change):
    answer = answered(lambda: change(adam), lambda: send(api(adam), family, vera, request_))

    assert answer.status_code == (403 if change is demote else 404)
    assert Family.objects.get().name == "Smith"
    assert dict(Membership.objects.exclude(user=adam).values_list("user__username", "role")) == {
        "alice": "owner",
        "bob": "member",
        "vera": "viewer",
    }


def test_who_may_leave_leaves_once(api, family, vera):
    answer = answered(lambda: leave(vera), lambda: api(vera).delete(f"families/{family.pk}/members/{vera.pk}"))

    assert answer.status_code == 404
    assert Membership.objects.filter(user=vera, is_active=False).exists()


@pytest.mark.parametrize("is_first", [True, False], ids=["removal first", "removal last"])
def test_who_is_removed_while_an_account_is_handed_over_to_them_is_waited_for_and_not_for_ever(
    api, family, alice, bob, savings, is_first
):
    """Both come for both memberships, the two in different hands."""
    answers = {}

    def remove():
        answers["remove"] = api(alice).delete(f"families/{family.pk}/members/{bob.pk}").status_code

    def hand_over():
        body = {"owner_id": str(alice.pk)}
        answers["hand over"] = api(bob).patch(f"accounts/{savings.pk}", body).status_code

    both = remove, hand_over
    queue_behind(
        lambda: Membership.objects.filter(user__in=[alice, bob]).update(joined_at="2026-01-01T00:00Z"),
        *both[:: 1 if is_first else -1],
    )

    assert answers["remove"] == 204
    assert answers["hand over"] == (404 if is_first else 200)
