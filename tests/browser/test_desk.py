"""The desk in a real browser: figures as they come, who is connected and sent away, lists that say they are old."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings

from accounts.models import User
from ledger.models import Account, Notification
from realtime.desk.alarms import KINDS, Turn
from realtime.desk.watch import _tell
from tests.browser.conftest import sit_at_each, spend
from tests.browser.proxy import Proxy
from tests.browser.reader import Reader
from tests.live import LiveServer

pytestmark = pytest.mark.timeout(180)

SitDown = Callable[..., Reader]

OPERATIONS = reverse("admin:realtime_operations_changelist")
CONNECTIONS = reverse("admin:realtime_connections")
TRAIL = reverse("admin:realtime_trail")
TRANSACTIONS = reverse("admin:ledger_transaction_changelist")

PATIENCE = 20_000

STICKS_OUT = """() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  const boxes = scrollWidth > clientWidth ? [...document.querySelectorAll("body *")] : [];
  return boxes
    .map((box) => [box, box.getBoundingClientRect()])
    .filter(([, { right }]) => right > clientWidth)
    .map(([box, { left, right }]) => `${box.tagName}#${box.id}.${box.className} ${left} to ${right}`);
}"""


def tile(page: Page, name: str) -> Locator:
    """The figure of that name."""
    return page.locator(f"#tile-{name} output")


def sticks_out(page: Page) -> list[str]:
    """What makes the page wider than the window, from the outermost on; nothing where it fits."""
    found: list[str] = page.evaluate(STICKS_OUT)
    return found


def test_operations_show_all_processes_as_things_happen(
    admin: User, alice: User, account: Account, server: LiveServer, sit_down: SitDown
) -> None:
    sit_at_each(server, lambda: sit_down(alice))
    page = sit_down(admin).page

    page.goto(OPERATIONS)

    expect(page.locator("#desk-line")).to_have_attribute("data-state", "live")
    expect(page.locator("#processes tr")).to_have_count(2, timeout=PATIENCE)
    expect(tile(page, "connections")).to_have_text(re.compile(r"^[3-9]"), timeout=PATIENCE)
    expect(page.locator(".desk-plots canvas")).to_have_count(7)
    expect(page.locator("#topics tr").first).to_be_visible()
    head = int(tile(page, "head").inner_text().replace(",", ""))
    for number in range(3):
        spend(account, alice, "-1.00", f"Number {number}")
    expect(tile(page, "head")).not_to_have_text(f"{head:,}", timeout=PATIENCE)
    expect(tile(page, "latency")).to_have_text(re.compile(r"\d ms$"), timeout=PATIENCE)
    assert page.evaluate("getComputedStyle(document.querySelector('.u-over')).position") == "absolute"


def test_an_alert_comes_to_the_open_page_and_is_marked_when_it_is_over(
    admin: User, sit_down: SitDown, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "ALERT_INTERVAL": 60.0}  # else nobody would believe it for long
    page = sit_down(admin).page
    page.goto(OPERATIONS)
    expect(page.locator("#desk-line")).to_have_attribute("data-state", "live")
    expect(page.locator("#no-alerts")).to_be_visible()
    kind = KINDS[0]

    _tell("far:1", [Turn(kind, 4321.0, begins=True)], frozenset())
    alert = page.locator("#alerts li[data-severity=error]")
    expect(alert).to_contain_text("4321 entries behind the log")
    _tell("far:1", [Turn(kind, 0.0, begins=False)], frozenset())

    expect(page.locator("#alerts li[data-severity=info]")).to_contain_text("It is over")
    expect(page.locator("#alerts li[data-severity=over]")).to_contain_text("4321 entries")


def test_an_alert_is_said_in_the_readers_language(admin: User, sit_down: SitDown, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "ALERT_INTERVAL": 60.0}
    page = sit_down(admin, locale="zh-CN").page
    page.goto(OPERATIONS)
    expect(page.locator("#desk-line")).to_have_attribute("data-state", "live")
    kind = KINDS[0]

    _tell("far:1", [Turn(kind, 4321.4, begins=True)], frozenset())
    expect(page.locator("#alerts li[data-severity=error] span")).to_contain_text("落后日志 4321 条")
    page.reload()
    expect(page.locator("#alerts li[data-severity=error] span")).to_contain_text("落后日志 4321 条")
    _tell("far:1", [Turn(kind, 0.0, begins=False)], frozenset())

    expect(page.locator("#alerts li[data-severity=info] span")).to_have_text("已恢复：follower_lag。")


def test_a_line_that_carries_nothing_ephemeral_is_given_the_figures_by_asking(
    admin: User, alice: User, account: Account, server: LiveServer, sit_down: SitDown
) -> None:
    sit_at_each(server, lambda: sit_down(alice))
    with Proxy(server.port) as proxy:
        proxy.refuses_upgrades = proxy.refuses_streams = True
        reader = sit_down(admin, base_url=proxy.url)

        reader.page.goto(OPERATIONS)

        expect(reader.page.locator("#desk-line [data-way]")).to_have_text("polling", timeout=PATIENCE)
        expect(tile(reader.page, "connections")).to_have_text(re.compile(r"^[1-9]"), timeout=PATIENCE)
        expect(reader.page.locator("#processes tr")).to_have_count(2, timeout=PATIENCE)
        reader.page.goto("about:blank")
    reader.forgives("403")


@pytest.mark.parametrize("path", [OPERATIONS, CONNECTIONS, TRAIL + "?q=1"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_page_fits_a_phone(
    path: str, scheme: str, admin: User, alice: User, account: Account, sit_down: SitDown
) -> None:
    sit_down(alice)
    page = sit_down(admin, viewport={"width": 390, "height": 844}, color_scheme=scheme).page

    page.goto(path)

    shown = {OPERATIONS: "#processes tr", CONNECTIONS: "#connections tr"}.get(path, ".desk-trail")
    expect(page.locator(shown).first).to_be_visible(timeout=PATIENCE)
    assert sticks_out(page) == []


def test_who_is_sent_away_comes_back_by_itself_and_who_is_signed_out_does_not(
    admin: User, alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    at_alice, at_bob = sit_down(alice), sit_down(bob)
    page = sit_down(admin).page
    page.goto(CONNECTIONS)
    rows = page.locator("#connections tr")
    expect(rows.filter(has_text="bob")).to_have_count(1, timeout=PATIENCE)

    rows.filter(has_text="bob").get_by_role("button", name="Disconnect", exact=True).click()
    expect(page.locator("#sure")).to_contain_text("Close this connection of bob")
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#says")).to_have_text("1 disconnected.", timeout=PATIENCE)
    spend(account, alice, "-5.00", "Said while he was away")
    expect(at_bob.row("Said while he was away")).to_have_count(1, timeout=2 * PATIENCE)
    at_bob.sees_state("Live")
    at_bob.sees_transactions("Said while he was away", "Opening")
    assert at_bob.loads == 0

    rows.filter(has_text="alice").get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("#says")).to_have_text("All sessions of alice have ended.", timeout=PATIENCE)
    at_alice.sees_state("Signed out")
    at_bob.sees_state("Live")
    noted = LogEntry.objects.order_by("id").values_list("object_id", "user")
    assert list(noted) == [(str(bob.pk), admin.pk), (str(alice.pk), admin.pk)]


def test_who_says_no_sends_nobody_away(admin: User, bob: User, account: Account, sit_down: SitDown) -> None:
    at_bob = sit_down(bob)
    page = sit_down(admin).page
    page.goto(CONNECTIONS)
    row = page.locator("#connections tr").filter(has_text="bob")
    expect(row).to_have_count(1, timeout=PATIENCE)

    row.get_by_role("button", name="Disconnect user").click()
    page.get_by_role("button", name="No", exact=True).click()

    expect(page.locator("#sure")).to_be_hidden()
    at_bob.sees_state("Live")
    assert LogEntry.objects.count() == 0


def test_a_list_says_that_it_is_old_and_stays_as_it_is_until_asked(
    admin: User, alice: User, account: Account, sit_down: SitDown
) -> None:
    page = sit_down(admin).page
    page.goto(f"{TRANSACTIONS}?status__exact=posted")
    field = page.locator("#id_form-0-description")
    field.fill("Half written")

    spend(account, alice, "-1.00", "First")
    spend(account, alice, "-2.00", "Second")
    spend(account, alice, "-3.00", "Not yet", status="pending")

    badge = page.locator("#newer")
    expect(badge).to_have_text("2 newer", timeout=PATIENCE)
    expect(field).to_have_value("Half written")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    badge.click()
    expect(page.locator("#result_list tbody tr")).to_have_count(3)
    assert page.url.endswith("?status__exact=posted")
    expect(badge).to_be_hidden()


def test_a_notice_is_looked_at_sent_confirmed_and_followed_to_its_receipt(
    admin: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    at_bob = sit_down(bob)
    page = sit_down(admin).page
    page.goto(reverse("admin:ledger_notification_add"))
    page.get_by_label("everyone").check()
    page.get_by_label("Title").fill("Maintenance tonight")

    page.get_by_role("button", name="Preview").click()
    expect(page.locator(".notice-preview")).to_contain_text("Maintenance tonight")
    assert Notification.objects.count() == 0
    page.get_by_role("button", name="Send").click()

    expect(at_bob.page.locator("#notices")).to_contain_text("Maintenance tonight")
    at_bob.page.get_by_role("button", name="Dismiss").click()
    page.goto(f"{TRAIL}?q={Notification.objects.get().pk}")
    receipts = page.locator(".desk-trail").first
    expect(receipts).to_contain_text("Maintenance tonight", use_inner_text=False)
    for _ in range(50):
        if receipts.get_by_role("cell", name="bob").count():
            break
        page.reload()
    expect(receipts.get_by_role("cell", name="bob")).to_be_visible()
