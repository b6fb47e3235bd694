"""The credits page: what one has, and what became of it, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from playwright.sync_api import expect

from accounts.models import User
from ledger.services.credits import change
from realtime import log
from tests.browser.reader import Reader

SitDown = Callable[..., Reader]


def entries(reader: Reader) -> list[list[str]]:
    """What the table shows: reason, change, balance."""
    rows = reader.page.locator("#entries > tr").all()
    return [[row.locator(f"[data-{name}]").inner_text() for name in ("reason", "change", "balance")] for row in rows]


def test_entries_come_as_they_happen_each_once(alice: User, bob: User, sit_down: SitDown) -> None:
    change(alice, Decimal(100), "purchase", {"package": "standard"})
    at_alice, at_bob = sit_down(alice, path="/credits"), sit_down(bob, path="/credits")
    expect(at_bob.page.locator("#no-entries")).to_be_visible()

    change(alice, Decimal("-12.50"), "usage", {"feature": "report"})

    expect(at_alice.page.locator("#entries > tr")).to_have_count(2)
    assert entries(at_alice) == [["Usage", "-12.50", "87.50"], ["Purchase", "+100.00", "100.00"]]
    expect(at_alice.page.locator("#entries > tr").first).to_have_attribute("data-flash", "created")
    expect(at_alice.page.locator("#latest")).to_have_text("-12.50 (usage): credit is now 87.50.")
    expect(at_alice.page.locator("[data-credit]")).to_have_text(["87.50", "87.50"])
    expect(at_bob.page.locator("#entries > tr")).to_have_count(0)


def test_after_history_was_restored_the_page_holds_what_there_is(alice: User, sit_down: SitDown) -> None:
    change(alice, Decimal(100), "purchase")
    at_alice = sit_down(alice, path="/credits")

    log.new_epoch()
    change(alice, Decimal(-1), "usage")
    change(alice, Decimal(2), "refund")

    at_alice.sees_credit("101.00")
    expect(at_alice.page.locator("#entries > tr")).to_have_count(3)
    assert [row[1] for row in entries(at_alice)] == ["+2.00", "-1.00", "+100.00"]
    assert at_alice.loads == 0
