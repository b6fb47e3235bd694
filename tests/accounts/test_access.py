"""Who may read and do what in a family."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts import access
from accounts.models import Membership, User
from accounts.topics import family_topic, user_topic
from realtime import topics


@pytest.mark.parametrize(
    ("name", "role", "writes", "manages"),
    [
        ("alice", "owner", True, True),
        ("adam", "admin", True, True),
        ("bob", "member", True, False),
        ("vera", "viewer", False, False),
        ("charlie", None, False, False),
    ],
)
def test_each_role_has_its_rights_and_a_stranger_none(request, family, name, role, writes, manages):
    user = request.getfixturevalue(name)

    assert access.role_in(user, family.pk) == role
    assert access.may_write(user, family.pk) is writes
    assert access.may_manage(user, family.pk) is manages
    assert list(access.families_of(user).filter(pk=family.pk)) == ([family] if role else [])
    assert topics.readable(user, [family_topic(family.pk)]) == ({family_topic(family.pk)} if role else set())


def test_each_question_costs_one_query(alice, family, django_assert_num_queries):
    for question in (access.role_in, access.may_write, access.may_manage):
        with django_assert_num_queries(1):
            question(alice, family.pk)
    with django_assert_num_queries(1):
        list(access.families_of(alice))
    with django_assert_num_queries(1):
        topics.readable(alice, [family_topic(family.pk), family_topic(alice.pk)])


def test_an_inactive_membership_gives_no_right(alice, family):
    Membership.objects.filter(user=alice).update(is_active=False)

    assert access.role_in(alice, family.pk) is None
    assert not access.families_of(alice).exists()
    assert topics.readable(alice, [family_topic(family.pk)]) == set()
    assert topics.automatic(alice) == {user_topic(alice.pk), "global"}


def test_a_deactivated_user_has_no_right_whatever_the_object_at_hand_says(alice, family):
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert alice.is_active
    assert access.role_in(alice, family.pk) is None
    assert not access.may_write(alice, family.pk)
    assert not access.families_of(alice).exists()
    assert topics.readable(alice, [family_topic(family.pk), user_topic(alice.pk)]) == set()


def test_nobody_reads_the_topic_of_another_user(alice, bob):
    wanted = [user_topic(alice.pk), user_topic(bob.pk)]

    assert topics.readable(alice, wanted) == {user_topic(alice.pk)}
    assert topics.readable(bob, wanted) == {user_topic(bob.pk)}


def test_a_connection_gets_its_families_and_its_own_topic_unasked(alice, family, other_family):
    Membership.objects.create(family=other_family, user=alice, role="viewer")

    assert topics.automatic(alice) == {
        family_topic(family.pk),
        family_topic(other_family.pk),
        user_topic(alice.pk),
        "global",
    }


def test_who_is_not_signed_in_has_no_right(family):
    nobody = AnonymousUser()

    assert access.role_in(nobody, family.pk) is None
    assert not access.families_of(nobody).exists()
    assert topics.readable(nobody, [family_topic(family.pk)]) == set()
    assert topics.automatic(nobody) == set()
