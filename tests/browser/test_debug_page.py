"""The debug page: what travels over its line is seen, and the line does what it is told."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from ledger.models import Account, CreditBalance
from tests.browser.reader import Reader

SitDown = Callable[..., Reader]


@pytest.fixture
def page(admin: User, account: Account, sit_down: SitDown) -> Page:
    """The page, as staff sees it, with its own line live."""
    page = sit_down(admin).open("/debug").page
    sees(page, state="live")
    return page


def sees(page: Page, **fields: str) -> None:
    """Wait for the panel of the line to show these."""
    for name, value in fields.items():
        expect(page.locator(f"#line [data-{name}]")).to_have_text(value, timeout=30_000)


def frame(page: Page, type: str, way: str = "in") -> Locator:
    """The newest frame of that type."""
    return page.locator(f"#frames tr[data-way={way}]").filter(has=page.get_by_text(type, exact=True)).first


def test_state_cursor_topics_and_frames_are_shown(page: Page, admin: User) -> None:
    expect(frame(page, "Connected")).to_be_visible()
    expect(page.locator("#topics tr")).to_have_count(2)
    expect(page.locator("#line [data-cursor]")).not_to_be_empty()
    expect(page.locator("#line [data-connection]")).not_to_be_empty()


@pytest.mark.parametrize(("label", "transport"), [("SSE", "sse"), ("Polling", "polling"), ("WebSocket", "websocket")])
def test_each_transport_can_be_forced_and_carries_events(label: str, transport: str, page: Page, admin: User) -> None:
    page.get_by_role("radio", name=label).check()
    sees(page, transport=transport, state="live")

    page.get_by_role("button", name="Change", exact=True).click()

    expect(page.locator("#credit-status")).to_have_text("Credit is now 1.00.")
    told = frame(page, "CreditBalanceUpdate")
    # Who polls a quiet server is advised to come every five seconds.
    expect(told.locator("[data-by]")).to_have_text(transport, timeout=20_000)
    expect(page.locator("[data-credit]")).to_have_text("1.00")
    assert CreditBalance.objects.get(user=admin).balance == 1


def test_a_line_that_was_cut_comes_back_and_one_that_was_closed_does_not(page: Page) -> None:
    page.get_by_role("button", name="Cut the line").click()
    sees(page, state="waiting", code="1006")
    sees(page, state="live")

    page.get_by_role("button", name="Disconnect").click()
    sees(page, state="stopped")
    page.get_by_role("button", name="Connect", exact=True).click()
    sees(page, state="live")


def test_a_raw_command_is_sent_and_its_answer_shown_with_its_latency(page: Page) -> None:
    page.get_by_role("button", name="Send").click()

    answer = frame(page, "Response")
    expect(answer).to_be_visible()
    expect(answer.locator("[data-latency]")).to_contain_text("ms")
    page.locator("#raw").fill("{")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#raw-error")).to_have_text("This is no JSON object.")


def test_a_topic_asked_for_appears(page: Page) -> None:
    page.locator("#topic").fill("staff")
    page.get_by_role("button", name="Subscribe").click()

    expect(page.locator("#subscribed")).to_have_text("Subscribed.")
    expect(page.locator("#topics tr", has_text="staff")).to_have_count(1)
    page.locator("#topic").fill("family:nonsense")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.locator("#subscribed")).to_contain_text("no access")


def test_an_event_shows_how_long_it_took(page: Page) -> None:
    page.get_by_role("button", name="Change", exact=True).click()

    expect(frame(page, "CreditBalanceUpdate").locator("[data-latency]")).to_have_text(re.compile(r"^-?\d+ ms$"))
