"""Rules and payees on the page: what a rule did is seen, one is run, and a payee is suggested while one types."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from accounts.models import User
from ledger.models import Account, Payee, Rule, Transaction
from tests.browser.conftest import spend
from tests.browser.reader import Reader

SitDown = Callable[..., Reader]

RECORD_QUESTIONS = """async () => {
  const { client } = await import("/static/ledger/page.js");
  const ask = client.request.bind(client);
  window.asked = [];
  client.request = (resource, params) => (window.asked.push(resource), ask(resource, params));
}"""


@pytest.fixture
def shop(account: Account) -> Payee:
    payee: Payee = Payee.objects.create(family=account.family, name="Corner shop")
    return payee


@pytest.fixture
def rule(account: Account, shop: Payee) -> Rule:
    """What makes "corner" the corner shop's, and food."""
    made: Rule = Rule.objects.create(
        family=account.family,
        name="Food",
        description_contains="corner",
        amount_max="-1",
        set_category="food",
        set_payee=shop,
    )
    return made


def shown(reader: Reader, rule: Rule) -> Locator:
    return reader.page.locator(f"#rules > [data-id='{rule.pk}']")


def test_a_rule_says_what_it_does_and_what_it_did(
    rule: Rule, account: Account, alice: User, bob: User, sit_down: SitDown
) -> None:
    at_alice, at_bob = sit_down(alice), sit_down(bob)
    expect(shown(at_alice, rule).locator("[data-what]")).to_have_text(
        "description contains “corner” and amount at most -1.00 → category food and payee Corner shop"
    )
    expect(shown(at_alice, rule).locator("[data-last]")).to_have_text("Has not run for you yet.")

    spend(account, alice, "-5.00", "CORNER 12")

    expect(shown(at_alice, rule).locator("[data-last]")).to_contain_text("1 matched, 1 changed")
    expect(at_alice.page.locator("#rule-news")).to_have_text("Food: 1 matched, 1 changed.")
    expect(at_alice.row("CORNER 12").locator("[data-where]")).to_have_text("Everyday · Corner shop · food")
    # Whose transaction it was not, is told of the transaction alone.
    expect(at_bob.row("CORNER 12")).to_have_count(1)
    expect(shown(at_bob, rule).locator("[data-last]")).to_have_text("Has not run for you yet.")


def test_a_rule_is_run_over_everything_from_the_page(
    rule: Rule, account: Account, alice: User, vera: User, sit_down: SitDown
) -> None:
    Transaction.objects.bulk_create(
        Transaction(account=account, created_by=alice, amount="-2.00", description=f"corner {number}", category="x")
        for number in range(3)
    )
    at_alice, at_vera = sit_down(alice), sit_down(vera)

    shown(at_alice, rule).get_by_role("button", name="Run Food").click()

    expect(at_alice.page.locator("#rule-news")).to_have_text("Food: 3 matched, 3 changed.")
    expect(at_vera.page.locator("#transactions [data-where]", has_text="food")).to_have_count(3)
    expect(shown(at_vera, rule).get_by_role("button")).to_have_count(0)
    assert set(Transaction.objects.filter(description__startswith="corner").values_list("category", flat=True)) == {
        "food"
    }


def test_a_rule_comes_changes_and_goes_on_an_open_page(
    account: Account, shop: Payee, alice: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    expect(at_alice.page.locator("#rules-section")).to_be_hidden()

    rule = Rule.objects.create(family=account.family, name="Everything", set_payee=shop)
    expect(shown(at_alice, rule).locator("[data-what]")).to_have_text("everything → payee Corner shop")
    Rule.objects.filter(pk=rule.pk).update(is_active=False)
    expect(shown(at_alice, rule).locator("[data-off]")).to_be_visible()
    rule.delete()

    expect(at_alice.page.locator("#rules-section")).to_be_hidden()


def test_a_payee_is_suggested_while_one_types_and_taken_with_one_press(
    account: Account, shop: Payee, alice: User, sit_down: SitDown
) -> None:
    spend(account, alice, "-5.00", "TOBACCO 7 MAIN STREET", payee=shop)
    at_alice = sit_down(alice)
    suggestions = at_alice.page.locator("#new .suggestion")

    at_alice.page.locator("#new-amount").fill("6")
    at_alice.page.locator("#new-description").press_sequentially("tobacco again")
    expect(suggestions).to_have_text(["Corner shop"])
    suggestions.click()
    expect(at_alice.page.locator("#new-payee")).to_have_value("Corner shop")
    expect(suggestions).to_have_count(0)
    at_alice.page.locator("#new button.wide").click()

    expect(at_alice.row("tobacco again")).to_have_count(1)
    assert Transaction.objects.get(description="tobacco again").payee == shop


def test_nothing_is_suggested_to_who_has_named_a_payee(
    account: Account, shop: Payee, alice: User, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    at_alice.page.evaluate(RECORD_QUESTIONS)

    at_alice.page.locator("#new-payee").fill("Somebody else")
    at_alice.page.locator("#new-description").press_sequentially("corner shop")
    at_alice.page.locator("#new-payee").fill("")
    at_alice.page.locator("#new-description").press("Space")

    expect(at_alice.page.locator("#new .suggestion")).to_have_text(["Corner shop"])
    assert at_alice.page.evaluate("window.asked") == ["payee_suggestions"]
