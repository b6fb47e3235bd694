"""A notice is looked at before it is sent, and goes to whom was chosen and to nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import Family, User
from ledger.models import Notification
from tests.ledger.conftest import Told

ADD = reverse("admin:ledger_notification_add")


@pytest.fixture
def staff(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def written(**changes: object) -> dict[str, Any]:
    """What the form sends, less what was pressed."""
    form = {
        "to": "everyone",
        "user": "",
        "family": "",
        "level": "warning",
        "title": "Tonight <b>",
        "message": "From 22:00\n\nto 22:10.",
        "expires_at_0": "",
        "expires_at_1": "",
    }
    return {**form, **changes}


def errors(answer: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = answer.context["adminform"].form.errors
    return dict(found)


def test_a_preview_shows_the_notice_and_sends_nothing(staff: Client, told: Callable[..., list[Told]]) -> None:
    told()

    text = staff.post(ADD, {**written(), "_preview": "Preview"}).content.decode()

    assert "Tonight &lt;b&gt;" in text
    assert "<p>From 22:00</p>" in text
    assert "everyone" in text
    assert Notification.objects.count() == 0
    assert told() == []
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize(
    ("to", "audience"), [("everyone", "(6 people)"), ("family", "(3 people)"), ("user", "(1 person)")]
)
def test_a_preview_says_how_many_it_will_reach(
    to: str,
    audience: str,
    staff: Client,
    family: Family,
    other_family: Family,
    bob: User,
    make_user: Callable[..., User],
) -> None:
    make_user("gone", is_active=False)
    make_user("extra")
    chosen = {"family": family.pk} if to == "family" else {"user": bob.pk} if to == "user" else {}

    text = staff.post(ADD, {**written(to=to, **chosen), "_preview": "Preview"}).content.decode()

    assert audience in text


@pytest.mark.parametrize("to", ["everyone", "family", "user"])
def test_what_was_looked_at_is_sent_once_to_whom_was_chosen_and_noted(
    to: str, staff: Client, admin: User, family: Family, bob: User, told: Callable[..., list[Told]]
) -> None:
    chosen = {"family": family.pk} if to == "family" else {"user": bob.pk} if to == "user" else {}
    told()

    staff.post(ADD, {**written(to=to, **chosen), "_save": "Send"})

    notice = Notification.objects.get()
    topics = {"everyone": "global", "family": f"family:{family.pk}", "user": f"user:{bob.pk}"}
    assert [(each.type, each.topics) for each in told()] == [("Notification", {topics[to]})]
    assert (notice.title, notice.created_by) == ("Tonight <b>", admin)
    assert [(entry.action_flag, entry.object_id) for entry in LogEntry.objects.all()] == [(ADDITION, str(notice.pk))]


@pytest.mark.parametrize("pressed", ["_preview", "_save"])
def test_nobody_is_written_to_by_a_choice_that_was_forgotten(
    pressed: str, staff: Client, family: Family, bob: User
) -> None:
    forgotten = staff.post(ADD, {**written(to=""), pressed: "x"})
    no_user = staff.post(ADD, {**written(to="user"), pressed: "x"})
    no_family = staff.post(ADD, {**written(to="family", user=bob.pk), pressed: "x"})
    too_much = staff.post(ADD, {**written(to="everyone", family=family.pk), pressed: "x"})

    assert errors(forgotten) == {"to": ["This field is required."]}
    assert errors(no_user) == {"user": ["Choose the user."]}
    assert errors(no_family) == {
        "user": ["Leave this empty, or send to it."],
        "family": ["Choose the family."],
    }
    assert errors(too_much) == {"family": ["Leave this empty, or send to it."]}
    assert Notification.objects.count() == 0


def test_what_was_looked_at_can_be_changed_without_writing_it_again(staff: Client, family: Family) -> None:
    answer = staff.post(ADD, {**written(to="family", family=family.pk), "_edit": "Change it"}, follow=True)

    form = answer.context["adminform"].form
    kept = {
        name: str(form.get_initial_for_field(form.fields[name], name)) for name in ("to", "family", "title", "message")
    }
    assert kept == {
        "to": "family",
        "family": str(family.pk),
        "title": "Tonight <b>",
        "message": "From 22:00\n\nto 22:10.",
    }
    assert Notification.objects.count() == 0


def test_who_may_not_send_may_not_look_either(client: Client, make_user: Callable[..., User]) -> None:
    client.force_login(make_user("stan", is_staff=True))

    answers = [client.post(ADD, {**written(), pressed: "x"}).status_code for pressed in ("_preview", "_edit", "_save")]

    assert answers == [403, 403, 403]
    assert Notification.objects.count() == 0


def test_the_events_of_a_notice_can_be_followed_from_its_page(staff: Client, bob: User) -> None:
    notice = Notification.objects.create(title="Hello", user=bob)

    text = staff.get(reverse("admin:ledger_notification_change", args=[notice.pk])).content.decode()

    assert f"{reverse('admin:realtime_trail')}?q={notice.pk}" in text


@pytest.mark.parametrize("sent", [{"user": ""}, {"family": "{family}", "user": ""}])
def test_whom_a_notice_is_for_is_not_changed_on_its_page(
    sent: dict[str, str], staff: Client, family: Family, bob: User, told: Callable[..., list[Told]]
) -> None:
    notice = Notification.objects.create(title="Hello", user=bob)
    address = reverse("admin:ledger_notification_change", args=[notice.pk])
    told()

    offered = staff.get(address).context["adminform"].form.fields
    chosen = {name: value.format(family=family.pk) for name, value in sent.items()}
    answer = staff.post(address, {**written(title="Hello you", shown_version=1), **chosen})

    assert answer.status_code == 302
    assert list(offered) == ["level", "title", "message", "expires_at", "shown_version"]
    notice.refresh_from_db()
    assert (notice.title, notice.user, notice.family) == ("Hello you", bob, None)
    assert [each.topics for each in told()] == [{f"user:{bob.pk}"}]
