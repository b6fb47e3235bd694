"""The pages in Chinese: by what the browser asks for, by choice, and in what scripts say."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from accounts.models import User
from ledger.models import Account
from tests.browser.conftest import spend
from tests.browser.reader import Reader

SitDown = Callable[..., Reader]

# What of these pages stays as it is in every language: names, what people wrote, and words of the wire.
SAME_EVERYWHERE = re.compile("alice|bob|vera|Everyday|Opening|WebSocket|EUR")
WORDS = """() => {
  const words = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement, textContent } = walker.currentNode;
    if (!parentElement.closest("script, noscript, template, [lang]:not(html)")) words.push(textContent.trim());
  }
  return words;
}"""


def test_a_browser_that_asks_for_chinese_is_shown_chinese(
    account: Account, alice: User, bob: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice, locale="zh-CN")
    spend(account, bob, "-5.00", "面包")

    expect(at_alice.page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(at_alice.page.locator("#accounts-title")).to_have_text("账户")
    at_alice.hears("bob 记了一笔：面包，-€5.00")
    expect(at_alice.row("面包").locator("time")).to_have_text("2026年1月2日" if is_past_year(at_alice) else "1月2日")
    words = at_alice.page.evaluate(WORDS)
    assert [word for word in words if re.search("[A-Za-z]{2}", SAME_EVERYWHERE.sub("", word))] == []


def test_a_language_that_was_chosen_is_kept(account: Account, alice: User, sit_down: SitDown) -> None:
    at_alice = sit_down(alice, path="/credits")

    at_alice.page.get_by_role("button", name="简体中文").click()
    expect(at_alice.page.locator("h1")).to_have_text("积分")
    assert at_alice.page.url.endswith("/credits")
    at_alice.page.goto("/")
    expect(at_alice.page.locator("#accounts-title")).to_have_text("账户")
    at_alice.page.get_by_role("button", name="English").click()

    expect(at_alice.page.locator("#accounts-title")).to_have_text("Accounts")


def test_what_the_server_refuses_is_said_in_the_readers_language(
    account: Account, alice: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice, locale="zh-CN")

    at_alice.enter("1.234", "面包")

    expect(at_alice.page.locator("#new-amount-error")).to_have_text(re.compile("EUR.*2"))
    expect(at_alice.page.locator("#new-amount-error")).to_have_text(re.compile("小数"))
    at_alice.forgives("400")


def is_past_year(reader: Reader) -> bool:
    return bool(reader.page.evaluate("new Date().getFullYear() !== 2026"))
