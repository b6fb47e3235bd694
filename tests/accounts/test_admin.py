"""Users and families in the admin: what is told, and what is refused there too."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import Family, Membership, User
from tests.conftest import PASSWORD


@pytest.fixture
def staff(db):
    client = Client()
    client.force_login(User.objects.create_superuser("admin", password=PASSWORD))
    return client


def members_form(family, *rows, new=()):
    """What the browser sends for a family's page."""
    fields = {
        "name": family.name,
        "shown_version": family.version,
        "memberships-TOTAL_FORMS": len(rows) + len(new),
        "memberships-INITIAL_FORMS": len(rows),
    }
    for index, (membership, changes) in enumerate([*((row, given) for row, given in rows), *((None, n) for n in new)]):
        values = {"family": family.pk, **changes}
        if membership is not None:
            values = {"id": membership.pk, "user": membership.user_id, "role": membership.role} | values
            values["shown_version"] = membership.version
            values.setdefault("is_active", "on")
        fields |= {f"memberships-{index}-{name}": value for name, value in values.items() if value is not None}
    return fields


def change_page(row):
    return reverse(f"admin:accounts_{row._meta.model_name}_change", args=[row.pk])


def membership_events(told):
    return [(each.data["user_id"], each.data["action"]) for each in told() if each.type == "MembershipUpdate"]


def test_members_added_changed_and_deleted_on_a_familys_page_are_told(staff, alice, bob, vera, charlie, family, told):
    rows = {membership.user_id: membership for membership in family.memberships.all()}
    told()

    answer = staff.post(
        change_page(family),
        members_form(
            family,
            (rows[alice.pk], {}),
            (rows[bob.pk], {"role": "viewer"}),
            (rows[vera.pk], {"DELETE": "on"}),
            new=[{"user": charlie.pk, "role": "member", "is_active": "on"}],
        ),
    )

    assert answer.status_code == 302
    assert sorted(membership_events(told)) == sorted(
        [(str(bob.pk), "changed"), (str(vera.pk), "left"), (str(charlie.pk), "joined")]
    )


@pytest.mark.parametrize("change", [{"role": "admin"}, {"is_active": None}, {"DELETE": "on"}])
def test_the_page_keeps_an_owner(staff, alice, family, told, change):
    told()

    answer = staff.post(change_page(family), members_form(family, (Membership.objects.get(user=alice), change)))

    assert answer.status_code == 200
    assert "A family keeps an active owner." in answer.content.decode()
    assert membership_events(told) == []


def test_families_deleted_by_the_action_are_told(staff, alice, family, told):
    told()

    staff.post(
        reverse("admin:accounts_family_changelist"),
        {"action": "delete_selected", "_selected_action": [family.pk], "post": "yes"},
    )

    assert not Family.objects.exists()
    assert [(each.type, each.data.get("action")) for each in told()] == [
        ("MembershipUpdate", "left"),
        ("RightsChanged", None),
        ("FamilyUpdate", "deleted"),
    ]


def test_a_user_deactivated_on_their_page_is_signed_out(staff, bob, told):
    page = staff.get(change_page(bob)).context["adminform"].form.initial
    fields = {name: value for name, value in page.items() if isinstance(value, str)}
    joined = bob.date_joined
    told()

    answer = staff.post(
        change_page(bob),
        {
            **fields,
            "shown_version": page["shown_version"],
            "date_joined_0": joined.date().isoformat(),
            "date_joined_1": joined.time().isoformat(),
        },
    )

    assert answer.status_code == 302
    assert not User.objects.get(pk=bob.pk).is_active
    assert [each.type for each in told()] == ["RightsChanged", "SessionsEnded"]


def test_the_pages_of_users_and_families_open(staff, alice, family):
    pages = [
        change_page(alice),
        change_page(family),
        *(reverse(f"admin:accounts_{name}_{page}") for name in ("user", "family") for page in ("add", "changelist")),
    ]

    assert [staff.get(page).status_code for page in pages] == [200] * len(pages)


def test_no_admin_page_shows_refresh_tokens():
    assert not admin.site.is_registered(OutstandingToken)


PASSWORDS = {
    "of somebody else": ("auth_user_password_change", ["password1", "password2"]),
    "one's own": ("password_change", ["new_password1", "new_password2"]),
}


@pytest.mark.parametrize("whose", PASSWORDS)
def test_a_new_password_gives_back_no_right_that_was_taken_away_as_it_was_hashed(staff, bob, whose, monkeypatch):
    user = bob if whose == "of somebody else" else User.objects.get(username="admin")
    User.objects.filter(pk=user.pk).update(is_staff=True, email="old@example.org")
    set_password = User.set_password

    def slowly(self, raw):
        User.objects.filter(pk=self.pk).update(is_staff=False, is_active=False, email="new@example.org")
        set_password(self, raw)

    monkeypatch.setattr(User, "set_password", slowly)
    name, fields = PASSWORDS[whose]
    page = reverse(f"admin:{name}", args=[bob.pk] if user == bob else [])

    answer = staff.post(page, dict.fromkeys(fields, "another horse, another staple") | {"old_password": PASSWORD})

    user.refresh_from_db()
    assert answer.status_code == 302
    assert user.check_password("another horse, another staple")
    assert (user.is_staff, user.is_active, user.email) == (False, False, "new@example.org")


def test_a_password_is_still_refused_and_taken_away_on_its_page(staff, bob):
    page = reverse("admin:auth_user_password_change", args=[bob.pk])

    refused = staff.post(page, {"password1": "short", "password2": "short", "usable_password": "true"})
    bob.refresh_from_db()
    assert (refused.status_code, bob.check_password(PASSWORD)) == (200, True)

    taken = staff.post(page, {"usable_password": "false", "unset-password": "on"})
    bob.refresh_from_db()
    assert (taken.status_code, bob.has_usable_password()) == (302, False)


def test_a_family_whose_owner_cannot_sign_in_is_renamed_by_who_may_not_see_its_members(alice, family, make_user):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    stan = make_user("stan", is_staff=True)
    stan.user_permissions.set(Permission.objects.filter(codename__in=["view_family", "change_family"]))
    client = Client()
    client.force_login(stan)

    answer = client.post(change_page(family), {"name": "Muller", "shown_version": family.version})

    assert answer.status_code == 302
    assert Family.objects.get().name == "Muller"
