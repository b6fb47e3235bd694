"""A user comes to two families at once, in whatever ways: the one that comes later counts the other.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

import pytest
from rest_framework.exceptions import APIException

from accounts import members
from accounts.models import Family, Membership, User
from tests.realtime.concurrently import answered_after

pytestmark = pytest.mark.django_db(transaction=True)

Way = Callable[[User, User], Callable[[], object]]


def makes_one(user: User, owner: User) -> Callable[[], object]:
    return partial(members.create_family, "Own", user)


def is_added(user: User, owner: User) -> Callable[[], object]:
    family = members.create_family("Other", owner)
    return partial(members.add, family.pk, user.username, "member", by=owner)


def is_made_active_again(user: User, owner: User) -> Callable[[], object]:
    family = members.create_family("Former", owner)
    Membership.objects.create(family=family, user=user, is_active=False)
    return partial(members.change, family.pk, user.pk, by=owner, is_active=True)


WAYS: tuple[Way, ...] = (makes_one, is_added, is_made_active_again)


def end_of(work: Callable[[], object]) -> str:
    try:
        work()
    except APIException as error:
        return str(error.detail.code)  # type: ignore[union-attr]
    return "done"


@pytest.mark.parametrize(
    ("first", "second"),
    [pytest.param(*pair, id=" while ".join(way.__name__ for way in pair)) for pair in product(WAYS, WAYS)],
)
@pytest.mark.usefixtures("two_writers")
def test_of_two_families_at_once_one_is_too_many(
    first: Way, second: Way, bob: User, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, another = first(bob, charlie), second(bob, charlie)
    monkeypatch.setattr(members, "MAX_FAMILIES", 2)  # bob is in one

    end = answered_after(one, lambda: end_of(another), waits=False)

    assert end == "too_many_families"
    assert Membership.objects.filter(user=bob, is_active=True).count() == 2


@pytest.mark.usefixtures("two_writers")
def test_a_family_gets_two_at_once_and_has_room_for_one(
    alice: User, charlie: User, family: Family, make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user("nora")
    monkeypatch.setattr(members, "MAX_MEMBERS", 2)

    add = partial(members.add, family.pk, role="member", by=alice)
    end = answered_after(lambda: add("charlie"), lambda: end_of(lambda: add("nora")), waits=False)

    assert end == "too_many_members"
    assert family.memberships.count() == 2


def test_who_cannot_sign_in_is_in_as_many_families_as_they_will_be(
    bob: User, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    come_back = is_made_active_again(bob, charlie)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    monkeypatch.setattr(members, "MAX_FAMILIES", 1)

    assert end_of(come_back) == "too_many_families"
    assert Membership.objects.filter(user=bob, is_active=True).count() == 1
