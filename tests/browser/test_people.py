"""Who is in the family, as the page shows them: as they come and go, join, leave and are called another name."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from accounts.models import Family, Membership, User
from ledger.models import Account
from tests.browser.conftest import spend
from tests.browser.reader import Reader

SitDown = Callable[..., Reader]

# As if nothing but single requests came through.
POLLS = """
window.WebSocket = class { constructor() { throw new Error("no sockets here"); } };
const { fetch } = window;
const isStream = (url) => String(url).includes("/api/v1/stream");
window.fetch = (url, init) => (isStream(url) ? Promise.reject(new TypeError("no streams here")) : fetch(url, init));
"""


def test_who_of_the_family_is_online_is_seen_as_they_come_and_go(
    alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    people = at_alice.page.locator("#people > li")
    expect(people.locator("[data-name]")).to_have_text(["alice (you)", "bob", "vera"])
    expect(people.locator("[data-presence]")).to_have_text(["online", "offline", "offline"])

    at_bob = sit_down(bob)
    expect(people.locator("[data-presence]")).to_have_text(["online", "online", "offline"])
    at_bob.page.close()

    # Who reconnects was never away: it takes a few seconds to count.
    expect(people.locator("[data-presence]")).to_have_text(["online", "offline", "offline"], timeout=30_000)


def test_who_polls_sees_who_comes_as_well(alice: User, bob: User, account: Account, sit_down: SitDown) -> None:
    at_alice = sit_down(alice, init_script=POLLS)
    at_alice.sees_transport("polling")

    sit_down(bob)

    presence = at_alice.page.locator("#people > li [data-presence]")
    expect(presence).to_have_text(["online", "online", "offline"], timeout=30_000)


def test_who_comes_to_a_family_sees_who_of_it_is_online(
    alice: User, charlie: User, family: Family, account: Account, sit_down: SitDown
) -> None:
    at_charlie = sit_down(charlie)
    sit_down(alice)

    Membership.objects.create(family=family, user=charlie, role="member")

    people = at_charlie.page.locator("#people > li")
    expect(people.locator("[data-name]")).to_have_text(["alice", "bob", "charlie (you)", "vera"])
    expect(people.locator("[data-presence]")).to_have_text(["online", "offline", "online", "offline"])


def test_who_joins_and_leaves_the_family_is_seen(
    alice: User, charlie: User, family: Family, account: Account, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    names = at_alice.page.locator("#people [data-name]")

    membership = Membership.objects.create(family=family, user=charlie, role="member")
    expect(names).to_have_text(["alice (you)", "bob", "charlie", "vera"])
    membership.delete()

    expect(names).to_have_text(["alice (you)", "bob", "vera"])


def test_another_name_is_on_every_page_and_beside_what_was_entered_under_the_old_one(
    alice: User, bob: User, admin: User, account: Account, sit_down: SitDown
) -> None:
    spend(account, bob, "-5.00", "Bread")
    at_alice, at_admin = sit_down(alice), sit_down(admin, path="/debug")
    expect(at_alice.row("Bread").locator("[data-by]")).to_have_text("bob")

    at_admin.page.goto(f"/admin/accounts/user/{bob.pk}/change/")
    at_admin.page.get_by_label("First name").fill("Robert")
    at_admin.page.get_by_role("button", name="Save", exact=True).click()

    expect(at_alice.page.locator("#people [data-name]")).to_have_text(["alice (you)", "Robert", "vera"])
    expect(at_alice.row("Bread").locator("[data-by]")).to_have_text("Robert")
