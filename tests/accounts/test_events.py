"""What is told when people and families change, by whichever path it is written."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import update_last_login
from django.core import serializers
from django.db import transaction

from accounts import access, sessions
from accounts.models import Family, Membership, User
from accounts.topics import family_topic, user_topic
from realtime.topics import topic

THING = "0192aaaa-0000-7000-8000-000000000001"


@pytest.fixture
def things(monkeypatch):
    """An app above has a thing that the members of every family read."""
    thing = user_topic(THING)  # any kind that is registered would do
    monkeypatch.setattr(access, "_things", [])
    monkeypatch.setattr(access, "_ahead", [])
    access.register_things(lambda user, family_id: [thing], *[lambda users, using: ()] * 3)
    return thing


def membership_of(user):
    return Membership.objects.get(user=user)


def by_save(membership, **values):
    for name, value in values.items():
        setattr(membership, name, value)
    membership.save()


def by_save_of_one_field(membership, **values):
    for name, value in values.items():
        setattr(membership, name, value)
    membership.save(update_fields=list(values))


def by_update(membership, **values):
    Membership.objects.filter(pk=membership.pk).update(**values)


def by_update_through_the_family(membership, **values):
    membership.family.memberships.filter(user=membership.user_id).update(**values)


def by_bulk_update(membership, **values):
    for name, value in values.items():
        setattr(membership, name, value)
    Membership.objects.bulk_update([membership], list(values))


WRITES = [by_save, by_save_of_one_field, by_update, by_update_through_the_family, by_bulk_update]


def membership_event(user, family, action, role):
    return (
        "MembershipUpdate",
        {family_topic(family.pk), user_topic(user.pk)},
        {"family_id": str(family.pk), "user_id": str(user.pk), "action": action, "role": role},
    )


def rights(user, gained=(), lost=()):
    data = {"user_id": str(user.pk), "gained": list(gained), "lost": list(lost)}
    return ("RightsChanged", {f"control:{user.pk}"}, data)


def ended(user):
    return ("SessionsEnded", {f"control:{user.pk}"}, {"user_id": str(user.pk)})


@pytest.mark.parametrize("write", WRITES)
def test_a_changed_role_is_told_whatever_wrote_it(bob, family, told, write):
    told()

    write(membership_of(bob), role="viewer")

    assert told() == [membership_event(bob, family, "changed", "viewer")]


@pytest.mark.parametrize("write", WRITES)
def test_an_inactive_membership_is_a_leaving_that_takes_the_familys_things_along(bob, family, things, told, write):
    told()

    write(membership_of(bob), is_active=False)

    assert told() == [
        membership_event(bob, family, "left", "member"),
        rights(bob, lost=[family_topic(family.pk), things]),
    ]


@pytest.mark.parametrize("write", WRITES)
def test_an_active_membership_again_is_a_joining_with_rights_first(bob, family, things, told, write):
    Membership.objects.filter(user=bob).update(is_active=False)
    told()

    write(membership_of(bob), is_active=True)

    assert told() == [
        rights(bob, gained=[family_topic(family.pk), things]),
        membership_event(bob, family, "joined", "member"),
    ]


@pytest.mark.parametrize("write", WRITES)
def test_a_role_changed_on_an_inactive_membership_concerns_nobody(bob, told, write):
    Membership.objects.filter(user=bob).update(is_active=False)
    told()

    write(membership_of(bob), role="viewer")

    assert told() == []


@pytest.mark.parametrize(
    "make",
    [
        lambda **fields: Membership.objects.create(**fields),
        lambda **fields: Membership(**fields).save(),
        lambda **fields: Membership.objects.bulk_create([Membership(**fields)]),
        lambda family, **fields: family.memberships.get_or_create(**fields),
    ],
)
def test_a_new_membership_is_a_joining(charlie, family, things, told, make):
    told()

    make(family=family, user=charlie, role="viewer")

    assert told() == [
        rights(charlie, gained=[family_topic(family.pk), things]),
        membership_event(charlie, family, "joined", "viewer"),
    ]


@pytest.mark.parametrize(
    "remove",
    [
        lambda membership: membership.delete(),
        lambda membership: Membership.objects.filter(pk=membership.pk).delete(),
        lambda membership: membership.family.memberships.all().delete(),
    ],
)
def test_a_deleted_membership_is_a_leaving(bob, family, things, told, remove):
    told()

    remove(membership_of(bob))

    assert told() == [
        membership_event(bob, family, "left", "member"),
        rights(bob, lost=[family_topic(family.pk), things]),
    ]


def test_a_membership_moved_elsewhere_is_a_leaving_and_a_joining(bob, family, other_family, told):
    told()

    Membership.objects.filter(user=bob).update(family=other_family)

    assert told() == [
        membership_event(bob, family, "left", "member"),
        rights(bob, lost=[family_topic(family.pk)]),
        rights(bob, gained=[family_topic(other_family.pk)]),
        membership_event(bob, other_family, "joined", "member"),
    ]


@pytest.mark.parametrize("remove", [lambda families: families.get().delete(), lambda families: families.delete()])
def test_a_deleted_family_is_told_after_each_leaving(bob, family, told, remove):
    told()

    remove(Family.objects.filter(pk=family.pk))

    *leaving, deleted = told()
    assert leaving == [
        membership_event(bob, family, "left", "member"),
        rights(bob, lost=[family_topic(family.pk)]),
    ]
    assert (deleted.type, deleted.topics) == ("FamilyUpdate", {family_topic(family.pk)})
    assert (deleted.data["action"], deleted.data["data"]["name"]) == ("deleted", "Miller")


def test_a_deleted_user_leaves_their_families_and_is_signed_out(bob, family, told):
    membership, key = membership_event(bob, family, "left", "member"), bob.pk
    lost = rights(bob, lost=[family_topic(family.pk)]), rights(bob, lost=[user_topic(key)])
    over = ended(bob)
    told()

    bob.delete()

    assert told() == [membership, lost[0], lost[1], over]


def test_joining_and_changing_in_one_transaction_is_one_joining(charlie, family, told):
    told()

    with transaction.atomic():
        membership = Membership.objects.create(family=family, user=charlie, role="viewer")
        membership.role = "admin"
        membership.save()

    assert [each for each in told() if each.type == "MembershipUpdate"] == [
        membership_event(charlie, family, "joined", "admin")
    ]


@pytest.mark.parametrize(
    "write",
    [
        lambda family: (setattr(family, "name", "Muller"), family.save()),
        lambda family: Family.objects.filter(pk=family.pk).update(name="Muller"),
        lambda family: Family.objects.bulk_update([Family(pk=family.pk, name="Muller")], ["name"]),
    ],
)
def test_a_renamed_family_is_told_to_its_members(family, told, write):
    told()

    write(family)

    family.refresh_from_db()
    created = family.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert told() == [
        (
            "FamilyUpdate",
            {family_topic(family.pk)},
            {
                "family_id": str(family.pk),
                "action": "updated",
                "data": {"id": str(family.pk), "name": "Muller", "created_at": created},
                "version": 2,
            },
        )
    ]


@pytest.mark.parametrize(
    "deactivate",
    [
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        lambda user: (setattr(user, "is_active", False), user.save()),
        lambda user: User.objects.bulk_update([User(pk=user.pk, is_active=False)], ["is_active"]),
    ],
)
def test_a_deactivated_user_loses_every_topic_and_every_connection(bob, family, things, told, deactivate):
    told()

    deactivate(bob)

    assert told() == [
        rights(bob, lost=[user_topic(bob.pk), family_topic(family.pk), things]),
        ended(bob),
    ]


@pytest.mark.parametrize(
    "rename",
    [
        lambda user: User.objects.filter(pk=user.pk).update(first_name="Robert"),
        lambda user: (setattr(user, "username", "robert"), user.save()),
        lambda user: (setattr(user, "last_name", "Smith"), user.save(update_fields=["last_name"])),
        lambda user: User.objects.bulk_update([User(pk=user.pk, first_name="Robert")], ["first_name"]),
    ],
)
def test_another_name_is_told_to_the_families_of_who_bears_it(bob, family, make_family, alice, told, rename):
    other = make_family("Other", owner=alice, viewer=bob)
    left = make_family("Left", owner=alice, member=bob)
    Membership.objects.filter(user=bob, family=left).update(is_active=False)
    told()

    rename(bob)

    assert told() == [
        membership_event(bob, family, "changed", "member"),
        membership_event(bob, other, "changed", "viewer"),
    ]


def test_what_is_saved_of_a_user_without_another_name_is_told_to_nobody(bob, family, told):
    told()

    update_last_login(None, bob)
    bob.email = "robert@example.org"
    bob.save()
    User.objects.filter(pk=bob.pk).update(is_active=False)
    told()
    User.objects.filter(pk=bob.pk).update(first_name="Robert")

    assert told() == []


def test_a_user_made_active_again_is_given_their_topics_from_then_on(bob, family, told):
    User.objects.filter(pk=bob.pk).update(is_active=False)
    told()

    User.objects.filter(pk=bob.pk).update(is_active=True)

    assert told() == [rights(bob, gained=[user_topic(bob.pk), family_topic(family.pk), topic("global")])]


def test_a_changed_password_ends_the_sessions(bob, told):
    told()

    bob.set_password("another long enough one")
    bob.save()

    assert told() == [ended(bob)]


def test_signing_out_ends_the_sessions(bob, told):
    told()

    sessions.sign_out(bob.pk)

    assert told() == [ended(bob)]


def test_who_is_staff_no_more_loses_the_topic_and_the_connections(make_user, told):
    staff = make_user("sam", is_staff=True)
    told()

    User.objects.filter(pk=staff.pk).update(is_staff=False)

    assert told() == [rights(staff, lost=[topic("staff")]), ended(staff)]


def test_who_becomes_staff_may_read_its_topic(bob, told):
    told()

    User.objects.filter(pk=bob.pk).update(is_staff=True)

    assert told() == [rights(bob, gained=[topic("staff")])]


def test_a_fixture_restores_rows_without_telling_of_them(bob, family, told):
    rows = serializers.serialize("json", [family, bob, membership_of(bob)])
    told()

    for restored in serializers.deserialize("json", rows):
        restored.save()

    assert told() == []


def test_a_rolled_back_change_tells_nothing(bob, told):
    told()

    with transaction.atomic():
        Membership.objects.filter(user=bob).update(role="viewer")
        transaction.set_rollback(True)

    assert told() == []
    assert membership_of(bob).role == "member"
