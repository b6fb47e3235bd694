"""Everybody can use the pages: by keyboard alone, in light and dark, in either language, on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from config.services.waiting import wait_until
from ledger.models import Account, Payee, Rule, Transaction
from ledger.services import notices
from realtime.models import Receipt
from tests.browser.axe import serious_faults
from tests.browser.conftest import spend
from tests.browser.reader import Reader
from tests.live import LiveServer

SitDown = Callable[..., Reader]

PAGES = ["/", "/credits", "/debug"]
# What one can press or write into, and does not lie wholly within its card and the window.
CUT_OFF = """() => [...document.querySelectorAll("a, button, input, select, textarea")].filter((control) => {
  const { right, width } = control.getBoundingClientRect();
  const room = (control.closest(".card") ?? document.documentElement).getBoundingClientRect().right;
  return width > 1 && !control.closest(".scroll, .suggestions") && right > Math.min(room, innerWidth) + 1;
}).map((control) => control.id || control.textContent.trim())"""
PHONE = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture
def household(account: Account, alice: User, admin: User) -> Account:
    """The account with something of everything that the page can show."""
    shop = Payee.objects.create(family=account.family, name="Corner shop")
    Rule.objects.create(family=account.family, name="Shop", description_contains="corner", set_payee=shop)
    Rule.objects.create(family=account.family, name="Off", is_active=False, set_category="other", amount_max="-5")
    spend(account, alice, "-5.00", "CORNER SHOP 12", status="pending")
    spend(account, alice, "-6.00", "Nothing of it", status="void")
    account.family.memberships.create(user=admin, role="admin")
    return account


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_on_any_page(
    scheme: str, household: Account, admin: User, sit_down: SitDown
) -> None:
    reader = sit_down(admin, color_scheme=scheme)
    notices.send("Rent is due", "On Friday.", user=admin, level="warning")
    expect(reader.page.locator("#notices .notice")).to_be_visible()
    faults = {"/": serious_faults(reader.page)}

    reader.change("CORNER SHOP 12")
    faults["dialog"] = serious_faults(reader.page)
    for path in PAGES[1:]:
        faults[path] = serious_faults(reader.open(path).page)

    assert faults == {"/": [], "dialog": [], "/credits": [], "/debug": []}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_on_a_phone_nor_at_the_sign_in(
    scheme: str, household: Account, alice: User, sit_down: SitDown, browser: Browser, server: LiveServer
) -> None:
    at_alice = sit_down(alice, color_scheme=scheme, locale="zh-CN", **PHONE)
    at_alice.page.locator("#entry-toggle").click()
    faults = serious_faults(at_alice.page)
    at_alice.context.clear_cookies()
    at_alice.page.goto("/")
    expect(at_alice.page.locator("#id_username")).to_be_visible()

    assert faults == []
    assert serious_faults(at_alice.page) == []


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_cut_off_on_any_window(path: str, household: Account, admin: User, sit_down: SitDown) -> None:
    page = sit_down(admin, path=path, viewport={"width": 390, "height": 844}).page
    toggles = page.locator("[aria-expanded=false]")
    for _ in range(toggles.count()):
        toggles.first.click()  # which is the next one, as those that are open no longer count

    for width in (320, 390, 640, 768, 1000, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT_OFF) == [], width


def test_a_whole_entry_is_made_by_keyboard_alone(household: Account, alice: User, sit_down: SitDown) -> None:
    page = sit_down(alice).page

    press(page, "Tab", until="a.skip")
    press(page, "Enter")
    press(page, "Tab", until="#new-amount")
    type_on(page, "3.20")
    press(page, "Tab", until="#new-description")
    type_on(page, "Corner shop again")
    expect(page.locator("#new .suggestion")).to_have_text("Corner shop")
    press(page, "Tab", until="#new .suggestion")
    press(page, "Enter")
    expect(page.locator("#new-payee")).to_be_focused()
    press(page, "Enter")

    expect(page.locator("#transactions [data-description]").first).to_have_text("Corner shop again")
    expect(page.locator("#new-amount")).to_be_focused()
    made = Transaction.objects.get(description="Corner shop again")
    assert (str(made.amount), made.payee.name) == ("-3.2000", "Corner shop")


def test_the_list_is_narrowed_and_a_transaction_changed_by_keyboard_alone(
    household: Account, alice: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    page = at_alice.page

    press(page, "Tab", until="#filter-search")
    type_on(page, "opening")
    at_alice.sees_transactions("Opening")
    press(page, "Tab", until="#transactions [data-edit]")
    press(page, "Enter")
    expect(page.locator("#edit")).to_be_visible()
    press(page, "Tab", until="#edit-description")
    type_on(page, " balance")
    press(page, "Enter")
    at_alice.sees_transactions("Opening balance")
    expect(page.locator("#transactions [data-edit]")).to_be_focused()
    press(page, "Shift+Tab", until="#filter-clear")
    press(page, "Enter")

    expect(page.locator("#transactions > tr")).to_have_count(3)


def test_notices_are_dismissed_by_keyboard_one_after_the_other(
    household: Account, alice: User, sit_down: SitDown
) -> None:
    page = sit_down(alice).page
    for title in ("First", "Second"):
        notices.send(title, user=alice)
    shown = page.locator("#notices .notice")
    expect(shown).to_have_count(2)

    press(page, "Shift+Tab", until="#notices .notice:last-child [data-dismiss]")
    press(page, "Enter")
    expect(shown).to_have_count(1)
    press(page, "Enter")

    expect(shown).to_have_count(0)
    wait_until(lambda: Receipt.objects.filter(user=alice).count() == 2, 10, lambda: "no receipts came")


def press(page: Page, key: str, *, until: str = "") -> None:
    """Press a key; with ``until``, again and again until the focus is on that element, and fail if it never is."""
    for _ in range(60):
        page.keyboard.press(key)
        if not until or page.evaluate("selector => document.activeElement?.matches(selector)", until):
            return
    raise AssertionError(f"{key} never leads to {until}")


def type_on(page: Page, text: str) -> None:
    page.keyboard.press("End")
    page.keyboard.type(text)
