"""Families and their members over REST."""

from __future__ import annotations

from uuid import uuid4

import pytest

from accounts import members
from accounts.models import Family, Membership, User

FAMILIES = "/api/v1/families"


def members_of(family):
    return f"{FAMILIES}/{family.pk}/members"


def member_of(family, user):
    return f"{members_of(family)}/{user.pk}"


def role_of(user, family):
    return Membership.objects.filter(user=user, family=family).values_list("role", "is_active").first()


def test_a_user_sees_their_own_families_with_their_role(alice, adam, charlie, family, client_of):
    answer = client_of(adam).get(FAMILIES)

    assert [(each["id"], each["name"], each["role"]) for each in answer.json()["results"]] == [
        (str(family.pk), "Miller", "admin")
    ]
    assert client_of(adam).get(f"{FAMILIES}/{family.pk}").json()["role"] == "admin"


def test_the_cursor_of_a_snapshot_was_read_before_its_rows(alice, client_of, django_assert_num_queries):
    client = client_of(alice)
    client.get(FAMILIES)  # the first of all makes the log's head

    with django_assert_num_queries(3) as queries:  # who asks, the cursor, the rows
        answer = client.get(FAMILIES)

    assert "loghead" in queries[1]["sql"]
    assert answer["X-Cursor"]


def test_a_refusal_has_no_cursor(alice, client_of):
    assert "X-Cursor" not in client_of(alice).get(f"{FAMILIES}/{uuid4()}")


def test_who_makes_a_family_is_its_owner(bob, client_of):
    answer = client_of(bob).post(FAMILIES, {"name": "Smith"})

    assert answer.status_code == 201
    assert (answer.json()["name"], answer.json()["role"], answer.json()["version"]) == ("Smith", "owner", 1)
    assert role_of(bob, Family.objects.get(pk=answer.json()["id"])) == ("owner", True)


@pytest.mark.parametrize("name", ["", " ", "x" * 101, None])
def test_a_family_needs_a_name(bob, client_of, name):
    answer = client_of(bob).post(FAMILIES, {"name": name})

    assert answer.status_code == 400
    assert set(answer.json()) == {"name"}
    assert Family.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "status"), [("alice", 200), ("adam", 200), ("bob", 403), ("vera", 403), ("charlie", 404)]
)
def test_owners_and_admins_rename(request, alice, family, client_of, name, status):
    answer = client_of(request.getfixturevalue(name)).patch(f"{FAMILIES}/{family.pk}", {"name": "Muller"})

    family.refresh_from_db()
    assert answer.status_code == status
    assert family.name == ("Muller" if status == 200 else "Miller")


@pytest.mark.parametrize("method", ["get", "patch"])
def test_an_unknown_family_and_one_of_others_answer_alike(alice, other_family, client_of, method):
    client = client_of(alice)

    foreign = getattr(client, method)(f"{FAMILIES}/{other_family.pk}", {})
    unknown = getattr(client, method)(f"{FAMILIES}/{uuid4()}", {})

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content


@pytest.mark.parametrize(
    ("method", "body"),
    [("get", {}), ("post", {"username": "alice"}), ("post", {}), ("patch", {}), ("delete", {})],
)
def test_members_of_an_unknown_family_and_of_one_of_others_answer_alike(
    alice, charlie, other_family, client_of, method, body
):
    client = client_of(alice)
    tail = f"/{charlie.pk}" if method in ("patch", "delete") else ""

    foreign = getattr(client, method)(f"{members_of(other_family)}{tail}", body)
    unknown = getattr(client, method)(f"{FAMILIES}/{uuid4()}/members{tail}", body)

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content
    assert role_of(charlie, other_family) == ("owner", True)


def test_every_member_sees_the_members_and_managers_the_inactive_ones_too(alice, bob, vera, family, client_of):
    Membership.objects.filter(user=bob).update(is_active=False)

    seen_by_vera = client_of(vera).get(members_of(family)).json()["results"]
    seen_by_alice = client_of(alice).get(members_of(family)).json()["results"]

    assert [(each["username"], each["role"]) for each in seen_by_vera] == [
        ("alice", "owner"),
        ("vera", "viewer"),
    ]
    assert [(each["username"], each["is_active"]) for each in seen_by_alice] == [
        ("alice", True),
        ("bob", False),
        ("vera", True),
    ]
    assert set(seen_by_vera[0]) == {"user_id", "username", "role", "is_active", "joined_at", "version"}


@pytest.mark.parametrize(
    ("name", "status"), [("alice", 201), ("adam", 201), ("bob", 403), ("vera", 403), ("charlie", 404)]
)
def test_owners_and_admins_add_members_by_name(request, alice, family, make_user, client_of, name, status):
    new = make_user("nora")

    answer = client_of(request.getfixturevalue(name)).post(members_of(family), {"username": "nora", "role": "viewer"})

    assert answer.status_code == status
    assert role_of(new, family) == (("viewer", True) if status == 201 else None)


@pytest.mark.parametrize("active", [None, False])
def test_an_unknown_name_and_a_deactivated_user_cannot_be_added(alice, family, make_user, client_of, active):
    if active is not None:
        make_user("nora", is_active=active)

    answer = client_of(alice).post(members_of(family), {"username": "nora"})

    assert answer.status_code == 400
    assert answer.json() == {"username": ["There is no active user of that name."]}


def test_a_member_cannot_be_added_twice_and_an_inactive_one_becomes_active_again(alice, bob, family, client_of):
    again = client_of(alice).post(members_of(family), {"username": "bob", "role": "admin"})
    unchanged = role_of(bob, family)
    Membership.objects.filter(user=bob).update(is_active=False)
    joined_before = Membership.objects.get(user=bob).joined_at

    back = client_of(alice).post(members_of(family), {"username": "bob", "role": "viewer"})

    assert (again.status_code, unchanged) == (409, ("member", True))
    assert back.status_code == 201
    assert role_of(bob, family) == ("viewer", True)
    assert Membership.objects.get(user=bob).joined_at > joined_before


@pytest.mark.parametrize(
    ("name", "status"), [("alice", 200), ("adam", 200), ("bob", 403), ("vera", 403), ("charlie", 404)]
)
def test_owners_and_admins_change_roles(request, alice, family, member, client_of, name, status):
    nora = member("nora", family, "member")

    answer = client_of(request.getfixturevalue(name)).patch(member_of(family, nora), {"role": "viewer"})

    assert answer.status_code == status
    assert role_of(nora, family) == ("viewer" if status == 200 else "member", True)


def test_a_change_of_one_thing_leaves_the_other(alice, bob, family, client_of):
    client = client_of(alice)

    client.patch(member_of(family, bob), {"is_active": False})
    inactive = role_of(bob, family)
    client.patch(member_of(family, bob), {"is_active": True})
    active = role_of(bob, family)
    client.patch(member_of(family, bob), {})

    assert inactive == ("member", False)
    assert active == role_of(bob, family) == ("member", True)


def test_an_unknown_role_is_refused(alice, bob, family, client_of):
    answer = client_of(alice).patch(member_of(family, bob), {"role": "emperor"})

    assert answer.status_code == 400
    assert role_of(bob, family) == ("member", True)


def test_an_admin_neither_makes_nor_unmakes_owners(alice, adam, bob, family, client_of):
    client = client_of(adam)

    answers = [
        client.patch(member_of(family, adam), {"role": "owner"}).status_code,
        client.patch(member_of(family, bob), {"role": "owner"}).status_code,
        client.patch(member_of(family, alice), {"role": "member"}).status_code,
        client.delete(member_of(family, alice)).status_code,
    ]

    assert answers == [403, 403, 403, 403]
    assert [role_of(user, family)[0] for user in (alice, adam, bob)] == ["owner", "admin", "member"]


@pytest.mark.parametrize(
    ("method", "body"),
    [("patch", {"role": "admin"}), ("patch", {"is_active": False}), ("delete", None)],
)
def test_the_last_owner_can_be_neither_demoted_nor_removed(alice, bob, family, client_of, method, body):
    Membership.objects.filter(user=bob).update(role="owner")
    User.objects.filter(pk=bob.pk).update(is_active=False)  # an owner who cannot sign in is none

    answer = getattr(client_of(alice), method)(member_of(family, alice), body)

    assert answer.status_code == 409
    assert answer.json()["detail"] == "A family keeps an active owner. Make somebody else owner first."
    assert role_of(alice, family) == ("owner", True)


@pytest.mark.parametrize(
    ("method", "body"),
    [("patch", {"role": "admin"}), ("patch", {"is_active": False}), ("delete", None)],
)
def test_an_owner_may_go_when_another_stays(alice, bob, family, client_of, method, body):
    Membership.objects.filter(user=bob).update(role="owner")

    answer = getattr(client_of(alice), method)(member_of(family, alice), body)

    assert answer.status_code in (200, 204)
    assert role_of(alice, family) != ("owner", True)


@pytest.mark.parametrize("name", ["adam", "bob", "vera"])
def test_a_member_may_leave(request, alice, family, client_of, name):
    user = request.getfixturevalue(name)

    answer = client_of(user).delete(member_of(family, user))

    assert answer.status_code == 204
    assert role_of(user, family) is None
    assert client_of(user).get(members_of(family)).status_code == 404


def test_a_member_removes_nobody_else(alice, bob, vera, family, client_of):
    answer = client_of(bob).delete(member_of(family, vera))

    assert answer.status_code == 403
    assert role_of(vera, family) == ("viewer", True)


def test_an_inactive_member_cannot_make_themselves_active(alice, bob, family, client_of):
    Membership.objects.filter(user=bob).update(is_active=False)

    answer = client_of(bob).patch(member_of(family, bob), {"is_active": True})

    assert answer.status_code == 404
    assert role_of(bob, family) == ("member", False)


def test_nobody_can_be_put_into_any_number_of_families(alice, bob, family, client_of, monkeypatch):
    monkeypatch.setattr(members, "MAX_FAMILIES", 1)

    answers = [
        client_of(bob).post(FAMILIES, {"name": "Second"}).status_code,
        client_of(alice).post(FAMILIES, {"name": "Second"}).status_code,
    ]

    assert answers == [409, 409]
    assert Family.objects.count() == 1


def test_a_family_has_a_bounded_number_of_members(alice, charlie, family, client_of, monkeypatch):
    monkeypatch.setattr(members, "MAX_MEMBERS", 1)

    answer = client_of(alice).post(members_of(family), {"username": "charlie"})

    assert answer.status_code == 409
    assert role_of(charlie, family) is None


def test_who_is_not_signed_in_is_asked_to(client, family):
    answers = [client.get(path).status_code for path in (FAMILIES, members_of(family), "/api/v1/me")]

    assert answers == [401, 401, 401]
