"""What others do is noticed, and disturbs nobody: the page stays where it is."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from ledger.models import Account, Transaction
from ledger.services import notices
from ledger.services.credits import change
from tests.browser.conftest import sign_in, spend
from tests.browser.reader import Reader

SitDown = Callable[..., Reader]

WHERE = """selector => {
  const { x, y } = document.querySelector(selector).getBoundingClientRect();
  return [x, y].map(Math.round);
}"""


@pytest.fixture
def long_account(account: Account, alice: User) -> Account:
    """The account with more transactions than a window shows."""
    Transaction.objects.bulk_create(
        Transaction(
            account=account, created_by=alice, amount="-1.00", description=f"Number {number}", date="2026-01-01"
        )
        for number in range(60)
    )
    return account


@pytest.mark.parametrize("width", [1280, 390])
def test_what_comes_in_lights_up_and_moves_nothing_that_one_may_be_about_to_press(
    width: int, long_account: Account, alice: User, bob: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice, viewport={"width": width, "height": 800})
    things = ["#accounts", "#people", "#new" if width > 640 else "#entry-toggle", "#filter-search", "#transactions"]
    before = [where(at_alice.page, thing) for thing in things]

    notices.send("A notice", "Of some length, so that it would push the page down if it stood in it.", user=alice)
    change(alice, Decimal(5), "reward")
    spend(long_account, bob, "-12.50", "Bread and cheese, and a description that is longer than most of them are")

    expect(at_alice.page.locator("#notices .notice")).to_be_visible()
    at_alice.sees_credit("5.00")
    row = at_alice.row("Bread and cheese")
    expect(row).to_have_attribute("data-flash", "created")
    expect(at_alice.page.locator("#news")).to_contain_text("bob added Bread and cheese")
    assert [where(at_alice.page, thing) for thing in things] == before


def test_who_reads_further_down_goes_on_reading_there(
    long_account: Account, alice: User, bob: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    row = "#transactions > tr:nth-child(31)"
    at_alice.page.locator(row).scroll_into_view_if_needed()
    name = at_alice.page.locator(f"{row} [data-description]").inner_text()
    before = where(at_alice.page, row)

    for number in range(5):
        spend(long_account, bob, "-1.00", f"Meanwhile {number}")
    expect(at_alice.row("Meanwhile 4")).to_have_count(1)

    moved = at_alice.page.locator("#transactions > tr").nth(35)
    expect(moved.locator("[data-description]")).to_have_text(name)
    assert where(at_alice.page, "#transactions > tr:nth-child(36)") == before


def test_what_is_being_typed_survives_a_reload_and_is_nobody_elses(
    account: Account, alice: User, bob: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    page = at_alice.page
    page.locator("#new-received").check()
    page.locator("#new-amount").fill("7")
    page.locator("#new-description").press_sequentially("Half a sentence")

    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page.locator("#new-description")).to_have_value("Half a sentence")
    expect(page.locator("#new-received")).to_be_checked()
    page.locator("#new button.wide").click()
    at_alice.sees_balance("Everyday", "€107.00")
    at_alice.open("/")
    expect(page.locator("#new-description")).to_have_value("")
    page.locator("#new-description").fill("Alice's own")
    sign_in(at_alice.context, bob)
    at_alice.open("/")

    expect(page.locator("#new-description")).to_have_value("")


def test_the_line_of_news_says_what_became_of_a_row_and_is_read_aloud(
    account: Account, alice: User, bob: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    expect(at_alice.page.get_by_role("status").and_(at_alice.page.locator("#news"))).to_have_count(1)

    made = spend(account, bob, "-5.00", "Books")
    at_alice.hears("bob added Books, -€5.00")
    Transaction.objects.filter(pk=made.pk).update(amount="-6.00")
    at_alice.hears("Books was changed, -€6.00")
    made.delete()

    at_alice.hears("Books was deleted, -€6.00")


def where(page: Page, selector: str) -> list[Any]:
    """Where in the window an element is, in whole pixels: half a one is nobody's jump."""
    place: list[Any] = page.evaluate(WHERE, selector)
    return place
