"""The filter above the transactions: narrows what is shown, finds what is older, and stays true while things happen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from accounts.models import User
from ledger.models import Account, Payee, Transaction
from tests.browser.conftest import spend
from tests.browser.reader import Reader

SitDown = Callable[..., Reader]

LIST = re.compile(r"/api/v1/transactions\?")


@pytest.fixture
def two_accounts(account: Account, alice: User) -> Account:
    """The account, and another one; each with something of its own."""
    savings = Account.objects.create(family=account.family, owner=alice, name="Savings", currency="EUR")
    shop = Payee.objects.create(family=account.family, name="Corner shop")
    spend(account, alice, "-5.00", "Bread", payee=shop, date="2026-01-03")
    spend(account, alice, "-9.00", "Books", category="leisure", date="2026-01-04")
    spend(savings, alice, "20.00", "Interest", date="2026-01-05")
    return account


def test_each_field_narrows_the_list_and_all_comes_back(two_accounts: Account, alice: User, sit_down: SitDown) -> None:
    at_alice = sit_down(alice)
    found = at_alice.page.locator("#found")

    for wanted, shown in [
        ({"search": "BREA"}, ["Bread"]),
        ({"search": "corner"}, ["Bread"]),
        ({"search": "leisure"}, ["Books"]),
        ({"search": "", "account_id": "Savings"}, ["Interest"]),
        ({"account_id": "All accounts", "direction": "Received"}, ["Interest", "Opening"]),
        ({"direction": "Spent", "date_from": "2026-01-04"}, ["Books"]),
        ({"direction": "Spent and received", "date_from": "", "date_to": "2026-01-03"}, ["Bread", "Opening"]),
    ]:
        at_alice.look_for(**wanted)
        at_alice.sees_transactions(*shown)
        expect(found).to_have_text(f"{len(shown)} found")
    at_alice.look_for(search="nothing of the kind")
    expect(at_alice.page.locator("#nothing-found")).to_be_visible()
    at_alice.page.get_by_role("button", name="Show all").click()

    at_alice.sees_transactions("Interest", "Books", "Bread", "Opening")
    expect(found).to_have_text("")
    expect(at_alice.page.get_by_role("button", name="Show all")).to_be_disabled()


def test_what_is_older_than_the_page_goes_back_is_found_and_can_be_changed(
    account: Account, alice: User, sit_down: SitDown
) -> None:
    spend(account, alice, "-2.00", "Long ago", date="2020-02-02")
    Transaction.objects.bulk_create(
        Transaction(account=account, created_by=alice, amount="-1.00", description=f"Number {number}")
        for number in range(110)
    )
    at_alice = sit_down(alice)
    expect(at_alice.page.locator("#more-transactions")).to_be_visible()
    expect(at_alice.row("Long ago")).to_have_count(0)

    at_alice.look_for(search="long")
    at_alice.sees_transactions("Long ago")
    dialog = at_alice.change("Long ago")
    dialog.get_by_label("Description").fill("Long, long ago")
    dialog.get_by_role("button", name="Save").click()

    at_alice.sees_transactions("Long, long ago")
    at_alice.hears("Long, long ago was changed, -€2.00")


def test_what_happens_while_something_is_looked_for_is_shown_when_it_belongs_there(
    two_accounts: Account, alice: User, bob: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    at_alice.look_for(search="bread")
    at_alice.sees_transactions("Bread")

    more = spend(two_accounts, bob, "-3.00", "More bread", date="2026-01-06")
    at_alice.sees_transactions("More bread", "Bread")
    spend(two_accounts, bob, "-4.00", "Milk", date="2026-01-06")
    at_alice.hears("bob added Milk, -€4.00 (not among those looked for)")
    at_alice.sees_transactions("More bread", "Bread")
    Transaction.objects.filter(pk=more.pk).update(description="More milk")

    at_alice.sees_transactions("Bread")


def test_an_answer_that_comes_late_does_not_bring_back_what_was_deleted_meanwhile(
    two_accounts: Account, alice: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    at_alice.context.grant_permissions(["local-network-access"])  # a page whose requests we hold is of another network
    late: list[tuple[Route, str]] = []
    at_alice.page.route(LIST, lambda route: late.append((route, route.fetch().text())))

    at_alice.look_for(search="b")
    at_alice.page.wait_for_function("() => true", polling=50)
    while not late:
        at_alice.page.wait_for_timeout(20)
    Transaction.objects.get(description="Bread").delete()
    at_alice.sees_transactions("Books")
    [(route, text)] = late
    assert "Bread" in {row["description"] for row in json.loads(text)["results"]}
    route.fulfill(body=text, content_type="application/json")

    expect(at_alice.page.locator("#found")).to_have_text("1 found")
    at_alice.sees_transactions("Books")


def test_without_an_answer_the_page_says_what_it_could_search(
    two_accounts: Account, alice: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    at_alice.page.route(LIST, lambda route: route.abort())

    at_alice.look_for(search="books")

    at_alice.sees_transactions("Books")
    expect(at_alice.page.locator("#found")).to_contain_text("older ones cannot be looked for now")
    at_alice.forgives("net::ERR_FAILED")
