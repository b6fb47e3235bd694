"""The line is cut, the server dies, the log forgets: the page says so and is whole again by itself."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from pytest_django import Settings

from accounts.models import Family, Membership, User
from accounts.sessions import sign_out
from ledger.models import Account
from realtime import log
from tests.browser.conftest import spend
from tests.browser.reader import Reader
from tests.conftest import PASSWORD
from tests.live import LiveServer

SitDown = Callable[..., Reader]

STRICT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

# Remembers when each transaction appeared, by the clock that the test's own process reads too.
WATCH_ROWS = """() => {
  window.seen = {};
  new MutationObserver(() => {
    for (const row of document.querySelectorAll("#transactions [data-description]"))
      window.seen[row.textContent] ??= Date.now();
  }).observe(document.querySelector("#transactions"), {childList: true, subtree: true, characterData: true});
}"""


@pytest.mark.timeout(180)
def test_a_page_catches_up_after_its_server_was_killed(
    alice: User, bob: User, account: Account, server: LiveServer, sit_down: SitDown
) -> None:
    at_alice, at_bob = sit_down(alice), sit_down(bob)

    server.kill()
    for reader in (at_alice, at_bob):
        reader.sees_state("Offline, reconnecting")
    for number in range(1, 4):
        spend(account, alice, "-1.00", f"While away {number}")
    # Under the same name, as the pages know no other, and for the tests that follow.
    server.close()
    server.start()

    for reader in (at_alice, at_bob):
        reader.sees_state("Live", within=40)
        reader.sees_transactions("While away 3", "While away 2", "While away 1", "Opening")
        reader.sees_balance("Everyday", "€97.00")
        assert reader.loads == 0


def test_a_page_without_network_catches_up_when_it_is_back(
    alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    at_alice, at_bob = sit_down(alice), sit_down(bob)

    at_bob.context.set_offline(True)
    at_bob.sees_state("Offline, reconnecting")
    for number in range(1, 4):
        spend(account, alice, "-1.00", f"While away {number}")
    at_alice.sees_balance("Everyday", "€97.00")
    at_bob.sees_balance("Everyday", "€100.00")
    at_bob.context.set_offline(False)

    at_bob.sees_state("Live", within=40)
    at_bob.sees_transactions("While away 3", "While away 2", "While away 1", "Opening")
    at_bob.sees_balance("Everyday", "€97.00")
    assert at_bob.loads == 0


def test_an_entry_made_offline_is_kept_and_saved_once_when_back(
    alice: User, account: Account, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    at_alice.context.set_offline(True)

    at_alice.enter("4", "Patience")
    expect(at_alice.page.locator("#new [data-error]")).to_contain_text("Nothing is lost")
    at_alice.context.set_offline(False)
    at_alice.page.locator("#new button").click()

    at_alice.sees_transactions("Patience", "Opening")
    at_alice.sees_balance("Everyday", "€96.00")


def test_a_page_whose_history_was_restored_fetches_everything_anew(
    alice: User, bob: User, account: Account, server: LiveServer, sit_down: SitDown
) -> None:
    at_bob = sit_down(bob)

    log.new_epoch()
    spend(account, alice, "-1.00", "In a new age")

    at_bob.sees_transactions("In a new age", "Opening")
    at_bob.sees_balance("Everyday", "€99.00")
    assert at_bob.loads == 0


def test_signing_out_elsewhere_ends_this_page(bob: User, account: Account, sit_down: SitDown) -> None:
    at_bob = sit_down(bob)

    sign_out(bob.pk)

    at_bob.sees_state("Signed out")
    expect(at_bob.page.get_by_role("link", name="Sign in again")).to_be_visible()


def test_a_save_is_on_both_pages_within_moments(
    alice: User, bob: User, account: Account, sit_down: SitDown, record_testsuite_property: Callable[[str, Any], None]
) -> None:
    readers = sit_down(alice), sit_down(bob)
    for reader in readers:
        reader.page.evaluate(WATCH_ROWS)

    saved = {}
    for number in range(20):
        name = f"Number {number}"
        saved[name] = readers[0].page.evaluate("Date.now()")
        spend(account, alice, "-1.00", name)
        for reader in readers:
            expect(reader.row(name)).to_have_count(1)

    seen = [reader.page.evaluate("window.seen") for reader in readers]
    delays = sorted(times[name] - saved[name] for times in seen for name in saved)
    figures = f"median {statistics.median(delays)} ms, slowest {delays[-1]} ms, of {len(delays)}"
    record_testsuite_property("save_to_page", figures)
    assert len(delays) == 40
    # On a quiet machine a fraction of it. Half a second is a tick: whatever is slower was fetched, not pushed.
    assert statistics.median(delays) < 500, figures


def test_signing_in_leads_to_the_page_one_wanted(
    make_user: Callable[..., User],
    family: Family,
    account: Account,
    server: LiveServer,
    browser: Browser,
    settings: Settings,
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]  # as the server has it
    Membership.objects.create(family=family, user=make_user("dora"), role="viewer")
    page = browser.new_page(base_url=server.url)

    page.goto("/")
    _sign_in(page, "dora", "a wrong word")
    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    _sign_in(page, "dora", PASSWORD)

    expect(page.locator("#connection [data-text]")).to_have_text("Live")
    expect(page.locator("#accounts [data-name]")).to_have_text("Everyday")
    page.close()


def test_the_page_needs_nothing_that_a_strict_content_security_policy_forbids(
    alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    # To Chromium a page that went through our hands comes from anywhere, and may not speak to this machine.
    at_alice.context.grant_permissions(["local-network-access"])
    at_alice.context.route("**/*", _with_strict_policy)
    at_alice.open("/")

    spend(account, bob, "-5.00", "Under a strict policy")

    at_alice.sees_transactions("Under a strict policy", "Opening")
    at_alice.sees_balance("Everyday", "€95.00")


def _sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def _with_strict_policy(route: Route) -> None:
    response = route.fetch()
    route.fulfill(response=response, headers={**response.headers, "content-security-policy": STRICT_POLICY})
