"""The Content-Security-Policy in a real browser: every page works under it, and what is smuggled in does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from ledger.models import Account
from tests.browser.conftest import session_of, spend
from tests.browser.reader import Reader
from tests.live import LiveServer

# Each with something on it that only shows once its scripts have run.
PAGES = {
    "/admin/ledger/transaction/": "#changelist-form .action-select",
    "/admin/ledger/transaction/add/": ".datetimeshortcuts a",
    "/admin/accounts/user/": "#changelist-form .action-select",
    "/api/v1/docs": "#swagger-ui .opblock",
}


@pytest.mark.parametrize(("path", "shown"), PAGES.items())
def test_a_page_works_under_the_policy(
    path: str, shown: str, browser: Browser, server: LiveServer, admin: User, account: Account
) -> None:
    context = browser.new_context(base_url=server.url, locale="en-GB")
    context.add_cookies([{"name": "sessionid", "value": session_of(admin), "url": server.url}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(path)

    expect(page.locator(shown).first).to_be_visible()
    context.close()
    assert complaints == []


def test_what_was_written_into_a_description_is_text(
    sit_down: Callable[..., Reader], alice: User, account: Account
) -> None:
    reader = sit_down(alice)

    spend(account, alice, "-1.00", "<img src=x onerror=document.title='owned'><script>alert(1)</script>")

    expect(reader.page.locator("#transactions [data-description]").first).to_contain_text("<script>alert(1)</script>")
    assert not is_owned(reader.page)


def test_a_script_that_got_into_the_page_does_not_run(
    sit_down: Callable[..., Reader], alice: User, account: Account
) -> None:
    reader = sit_down(alice)

    reader.page.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = \"document.title = 'owned'\";"
        " document.body.append(script) }"
    )

    assert not is_owned(reader.page)
    assert any("Content Security Policy" in complaint for complaint in reader.complaints)
    reader.complaints.clear()


def is_owned(page: Page) -> bool:
    return page.title() == "owned"
