"""Rules of families that hold when two do something at the same moment, on real connections."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from rest_framework.exceptions import APIException
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken

from accounts import members, serializers, sessions
from accounts.authentication import issue
from accounts.models import Membership, User

pytestmark = pytest.mark.django_db(transaction=True)


def together(*works: Callable[[], object]) -> list[str]:
    """Do each in a thread of its own, started at one moment; say how each ended."""
    start = Barrier(len(works))

    def run(work: Callable[[], object]) -> str:
        start.wait()
        try:
            work()
        except (APIException, TokenError) as error:
            return type(error).__name__
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(works)) as pool:
        return sorted(pool.map(run, works))


@pytest.mark.parametrize("attempt", range(5))
def test_two_owners_who_demote_each_other_leave_one(alice, bob, family, attempt):
    Membership.objects.filter(user=bob).update(role="owner")

    ends = together(
        lambda: members.change(family.pk, alice.pk, by=bob, role="member"),
        lambda: members.change(family.pk, bob.pk, by=alice, role="member"),
    )

    # Whoever comes second is an owner no more, and may not do it.
    assert ends == ["PermissionDenied", "done"]
    assert Membership.objects.filter(family=family, role="owner").count() == 1


@pytest.mark.parametrize("attempt", range(5))
def test_two_owners_who_leave_at_once_leave_one(alice, bob, family, attempt):
    Membership.objects.filter(user=bob).update(role="owner")

    ends = together(
        lambda: members.remove(family.pk, alice.pk, by=alice),
        lambda: members.remove(family.pk, bob.pk, by=bob),
    )

    assert ends == ["Conflict", "done"]
    assert Membership.objects.filter(family=family, role="owner").count() == 1


@pytest.mark.parametrize("attempt", range(5))
def test_a_user_added_twice_at_once_is_a_member_once(alice, charlie, family, attempt):
    ends = together(
        lambda: members.add(family.pk, "charlie", "viewer", by=alice),
        lambda: members.add(family.pk, "charlie", "admin", by=alice),
    )

    assert ends == ["Conflict", "done"]
    assert Membership.objects.filter(family=family, user=charlie).count() == 1


@pytest.mark.parametrize("attempt", range(5))
def test_a_refresh_token_used_twice_at_once_is_good_once(bob, attempt):
    token = str(issue(bob))
    checked = [RefreshToken(token), RefreshToken(token)]

    ends = together(*(lambda each=each: serializers.spend(each) for each in checked))

    assert ends == ["TokenError", "done"]


def test_sign_outs_at_once_are_all_counted(bob):
    together(*[lambda: sessions.sign_out(bob.pk)] * 4)

    assert User.objects.get(pk=bob.pk).sign_outs == 4
