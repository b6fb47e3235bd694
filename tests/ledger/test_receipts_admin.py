"""Receipts in the admin: who has confirmed a notice, when, on what, who has not, and all of it as a harmless CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Family, Membership, User
from ledger.models import Notification
from ledger.services import notices
from realtime import log, receipts
from realtime.models import Event, Receipt
from realtime.tables import harmless

pytestmark = pytest.mark.django_db(transaction=True)

MakeUser = Callable[..., User]


@pytest.fixture
def staff(admin: User, client: Client) -> Client:
    """The admin's browser."""
    client.force_login(admin)
    return client


def sequence() -> None:
    while log.sequence():
        pass


def send(title: str, **addressee: Any) -> Notification:
    notice = notices.send(title, **addressee)
    sequence()
    return notice


def confirm(notice: Notification, user: User, client: str = "a phone", transport: str = "http") -> None:
    """Confirm what was last said of a notice."""
    newest = Event.objects.filter(about=f"notification:{notice.pk}").order_by("-position")[0]
    receipts.confirm(user, [newest.event_id], transport=transport, client=client)


def page(staff: Client, notice: Notification) -> str:
    answer = staff.get(reverse("admin:ledger_notification_receipts", args=[notice.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def table(staff: Client, notice: Notification) -> list[dict[str, str]]:
    answer = staff.get(reverse("admin:ledger_notification_receipts_csv", args=[notice.pk]))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="receipts.csv"'
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def names(rows: list[dict[str, str]], *, confirmed: bool) -> list[str]:
    return sorted(row["user"] for row in rows if bool(row["confirmed_at"]) == confirmed)


def test_a_family_notice_shows_who_has_confirmed_it_on_what_and_who_has_not(
    staff: Client, alice: User, bob: User, vera: User, charlie: User, family: Family
) -> None:
    notice = send("Rent is due", family=family)
    confirm(notice, bob, "Firefox", "websocket")
    confirm(notice, bob, "a phone")

    text, rows = page(staff, notice), table(staff, notice)

    assert text.count("<td>bob</td>") == 2
    assert "<td>websocket</td><td>Firefox</td>" in text
    assert "<td>http</td><td>a phone</td>" in text
    assert ("<li>alice</li><li>vera</li>" in text, "charlie" in text) == (True, False)
    assert (names(rows, confirmed=True), names(rows, confirmed=False)) == (["bob", "bob"], ["alice", "vera"])
    assert {row["about"] for row in rows} == {f"notification:{notice.pk}"}


def test_who_joined_or_came_later_is_not_missed(
    staff: Client, alice: User, charlie: User, family: Family, make_user: MakeUser
) -> None:
    to_family, to_all = send("Rent is due", family=family), send("Maintenance")
    Membership.objects.create(user=charlie, family=family, role="member")
    make_user("newcomer")
    sequence()

    assert names(table(staff, to_family), confirmed=False) == ["alice", "bob", "vera"]
    assert names(table(staff, to_all), confirmed=False) == ["admin", "alice", "bob", "charlie", "vera"]


def test_of_a_changed_notice_what_was_last_said_counts(staff: Client, alice: User) -> None:
    notice = send("Rent is due", user=alice)
    confirm(notice, alice)
    notice.title = "Rent is due on Friday"
    notice.save()
    sequence()

    rows = table(staff, notice)

    assert (names(rows, confirmed=True), names(rows, confirmed=False)) == (["alice"], ["alice"])
    assert rows[0]["event_id"] != rows[1]["event_id"]
    assert 'id="earlier"' in page(staff, notice)


def test_what_is_no_longer_kept_still_has_its_receipts(staff: Client, alice: User) -> None:
    notice = send("Rent is due", user=alice)
    confirm(notice, alice)
    Event.objects.all().delete()

    assert names(table(staff, notice), confirmed=True) == ["alice"]
    assert "no longer kept" in page(staff, notice)


@pytest.mark.parametrize(
    ("rights", "status"),
    [
        ((), 403),
        (("view_notification",), 403),
        (("view_receipt",), 403),
        (("view_notification", "view_receipt"), 200),
    ],
)
def test_whoever_looks_needs_both_rights(
    client: Client, make_user: MakeUser, alice: User, rights: tuple[str, ...], status: int
) -> None:
    notice = send("Rent is due", user=alice)
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(clerk)

    for name in ("receipts", "receipts_csv"):
        address = reverse(f"admin:ledger_notification_{name}", args=[notice.pk])
        assert client.get(address).status_code == status
        assert client.post(address).status_code == 405
    client.force_login(alice)
    assert client.get(address).status_code == 302


def test_there_are_no_receipts_of_a_notice_that_is_not_there(staff: Client, family: Family) -> None:
    assert staff.get(reverse("admin:ledger_notification_receipts", args=[family.pk])).status_code == 404


def test_the_notices_page_and_list_link_to_it(staff: Client, alice: User) -> None:
    notice = send("Rent is due", user=alice)
    address = reverse("admin:ledger_notification_receipts", args=[notice.pk])

    listed = staff.get(reverse("admin:ledger_notification_changelist")).content.decode()
    changed = staff.get(reverse("admin:ledger_notification_change", args=[notice.pk])).content.decode()
    added = staff.get(reverse("admin:ledger_notification_add"))

    assert (address in listed, address in changed, added.status_code) == (True, True, 200)


def test_a_client_that_calls_itself_a_formula_is_computed_by_no_spreadsheet(staff: Client, alice: User) -> None:
    notice = send("Rent is due", user=alice)
    confirm(notice, alice, '=HYPERLINK("http://evil.example","x")')

    (row,) = table(staff, notice)

    assert row["client"] == '\'=HYPERLINK("http://evil.example","x")'


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),
        ("a=1", "a=1"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_cell_that_would_be_computed_is_made_text(cell: str | None, text: str) -> None:
    assert harmless(cell) == text


def export(staff: Client, *rows: Receipt) -> Any:
    data = {"action": "export", "_selected_action": [row.pk for row in rows]}
    return staff.post(reverse("admin:realtime_receipt_changelist"), data)


def test_chosen_receipts_are_exported(staff: Client, alice: User, bob: User, family: Family) -> None:
    notice = send("Rent is due", family=family)
    confirm(notice, alice)
    confirm(notice, bob)

    answer = export(staff, Receipt.objects.get(user=bob))

    (row,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (row["user"], row["transport"], row["client"]) == ("bob", "http", "a phone")
    assert row["about"] == f"notification:{notice.pk}"


def test_more_than_an_export_holds_is_refused(
    staff: Client, alice: User, bob: User, family: Family, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "EXPORT_ROWS": 1}
    notice = send("Rent is due", family=family)
    for user in (alice, bob):
        confirm(notice, user)

    answer = export(staff, *Receipt.objects.all())

    assert answer.status_code == 302
    assert "at most 1 receipts" in staff.get(answer["Location"]).content.decode()
    assert staff.get(reverse("admin:ledger_notification_receipts_csv", args=[notice.pk])).status_code == 413


def test_receipts_can_only_be_looked_at(staff: Client, alice: User) -> None:
    notice = send("Rent is due", user=alice)
    confirm(notice, alice)
    receipt = Receipt.objects.get()

    deleted = staff.post(reverse("admin:realtime_receipt_delete", args=[receipt.pk]), {"post": "yes"})
    added = staff.get(reverse("admin:realtime_receipt_add"))

    assert (deleted.status_code, added.status_code, Receipt.objects.count()) == (403, 403, 1)
    assert staff.get(reverse("admin:realtime_receipt_change", args=[receipt.pk])).status_code == 200
