"""The ledger page of several people at once: whatever is saved, wherever, is on every screen that may see it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from accounts.models import Family, Membership, User
from config.services.waiting import wait_until
from ledger.models import Account, Payee, Transaction
from ledger.services import notices
from ledger.services.credits import change as change_credit
from realtime.models import Receipt
from tests.browser.conftest import spend
from tests.browser.reader import Reader
from tests.live import variables

SitDown = Callable[..., Reader]


def test_what_one_enters_both_see_with_its_balance(alice: User, bob: User, account: Account, sit_down: SitDown) -> None:
    at_alice, at_bob = sit_down(alice), sit_down(bob)

    at_alice.enter("12.50", "Bread and cheese", payee="Corner shop")

    for reader in (at_alice, at_bob):
        reader.sees_transactions("Bread and cheese", "Opening")
        reader.sees_balance("Everyday", "€87.50")
    expect(at_bob.row("Bread and cheese").locator("[data-by]")).to_have_text("alice")
    expect(at_bob.row("Bread and cheese").locator("[data-where]")).to_have_text("Everyday · Corner shop")
    expect(at_bob.page.locator("#news")).to_have_text("alice added Bread and cheese, -€12.50")
    entered = Transaction.objects.get(description="Bread and cheese")
    assert (str(entered.amount), entered.created_by, entered.payee.name) == ("-12.5000", alice, "Corner shop")


def test_what_a_shell_saves_changes_both_pages(alice: User, bob: User, account: Account, sit_down: SitDown) -> None:
    at_alice, at_bob = sit_down(alice), sit_down(bob)

    _shell(
        "from ledger.models import Transaction\n"
        f"Transaction.objects.create(account_id='{account.pk}', amount='-20', description='From a shell')"
    )

    for reader in (at_alice, at_bob):
        reader.sees_balance("Everyday", "€80.00")
        expect(reader.row("From a shell")).to_have_count(1)


def test_what_the_admin_saves_and_deletes_changes_both_pages(
    alice: User, bob: User, admin: User, account: Account, sit_down: SitDown
) -> None:
    at_alice, at_bob, page = sit_down(alice), sit_down(bob), sit_down(admin).page
    opening = Transaction.objects.get(description="Opening")

    page.goto(f"/admin/ledger/transaction/{opening.pk}/change/")
    page.fill("input[name=description]", "Opened by the admin")
    page.click("input[name=_save]")
    for reader in (at_alice, at_bob):
        reader.sees_transactions("Opened by the admin")
    page.goto(f"/admin/ledger/transaction/{opening.pk}/delete/")
    page.click("input[type=submit]")

    for reader in (at_alice, at_bob):
        reader.sees_transactions()
        reader.sees_balance("Everyday", "€0.00")


def test_a_member_changes_voids_and_deletes_what_another_entered(
    alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    spend(account, alice, "-30.00", "Books")
    at_alice, at_bob = sit_down(alice), sit_down(bob)

    dialog = at_bob.change("Books")
    dialog.get_by_label("Amount").fill("25")
    dialog.get_by_role("button", name="Save").click()
    for reader in (at_alice, at_bob):
        reader.sees_balance("Everyday", "€75.00")
    at_bob.change("Books").get_by_role("button", name="Void").click()
    for reader in (at_alice, at_bob):
        reader.sees_balance("Everyday", "€100.00")
        expect(reader.row("Books").locator("[data-state]")).to_have_text("void")
    dialog = at_bob.change("Books")
    dialog.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Really delete?").click()

    for reader in (at_alice, at_bob):
        reader.sees_transactions("Opening")
    expect(at_bob.page.locator("#edit")).to_be_hidden()


def test_of_a_transaction_of_nothing_all_else_can_be_changed(alice: User, account: Account, sit_down: SitDown) -> None:
    spend(account, alice, "0.00", "Nothing")
    at_alice = sit_down(alice)

    dialog = at_alice.change("Nothing")
    dialog.get_by_label("Description").fill("Less than that")
    dialog.get_by_role("button", name="Save").click()

    at_alice.sees_transactions("Less than that", "Opening")
    assert Transaction.objects.get(description="Less than that").amount == 0


def test_who_is_editing_what_another_changes_is_told(
    alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    dialog = at_alice.change("Opening")

    Transaction.objects.filter(description="Opening").update(category="salary")

    expect(dialog.locator("[data-overtaken]")).to_have_text(
        "Somebody has changed this transaction meanwhile. What you save replaces it."
    )


def test_a_viewer_sees_everything_and_no_way_to_write(
    alice: User, vera: User, account: Account, sit_down: SitDown
) -> None:
    at_vera = sit_down(vera)

    spend(account, alice, "-1.00", "Stamps")

    at_vera.sees_transactions("Stamps", "Opening")
    expect(at_vera.page.locator("#new")).to_be_hidden()
    expect(at_vera.page.locator("#transactions [data-edit]:visible")).to_have_count(0)


def test_a_payee_that_is_renamed_has_its_new_name_wherever_it_is_seen(
    alice: User, family: Family, account: Account, sit_down: SitDown
) -> None:
    payee = Payee.objects.create(family=family, name="Corner shop")
    spend(account, alice, "-3.00", "Bread", payee=payee)
    spend(account, alice, "-4.00", "", payee=payee)
    at_alice = sit_down(alice)
    at_alice.sees_transactions("Corner shop", "Bread", "Opening")

    payee.name = "Bakery"
    payee.save()

    at_alice.sees_transactions("Bakery", "Bread", "Opening")
    expect(at_alice.row("Bread").locator("[data-where]")).to_have_text("Everyday · Bakery")
    at_alice.look_for(search="bakery")
    at_alice.sees_transactions("Bakery", "Bread")
    expect(at_alice.change("Bread").get_by_label("Payee", exact=True)).to_have_value("Bakery")


def test_the_day_that_is_proposed_is_today_however_long_the_page_is_open(
    alice: User, account: Account, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice, timezone_id="UTC")
    date = at_alice.page.locator("#new-date")

    at_alice.page.clock.set_fixed_time("2031-02-03T12:00:00Z")
    at_alice.page.locator("#new-amount").focus()
    expect(date).to_have_value("2031-02-03")
    date.fill("2031-02-01")
    at_alice.page.clock.set_fixed_time("2031-02-04T12:00:00Z")
    at_alice.page.locator("#new-amount").focus()

    expect(date).to_have_value("2031-02-01")


def test_where_the_newest_were_deleted_older_ones_are_shown(alice: User, account: Account, sit_down: SitDown) -> None:
    Transaction.objects.bulk_create(
        Transaction(account=account, amount="-0.01", description=f"Number {number}", date="2026-01-03")
        for number in range(130)
    )
    at_alice = sit_down(alice)
    newest = Transaction.objects.filter(date="2026-01-03").order_by("-pk")
    more = at_alice.page.locator("#more-transactions")
    expect(more).to_have_text("The newest 100 are shown. Look for older ones by name or date.")

    newest.filter(pk__in=list(newest.values_list("pk", flat=True)[:1])).delete()
    expect(more).to_have_text("The newest 99 are shown. Look for older ones by name or date.")
    newest.filter(pk__in=list(newest.values_list("pk", flat=True)[:99])).delete()

    at_alice.sees_transactions(*(f"Number {number}" for number in reversed(range(30))), "Opening")
    expect(more).to_be_hidden()


def test_credit_moves_in_the_bar_of_its_owner_alone(
    alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    at_alice, at_bob = sit_down(alice), sit_down(bob)

    change_credit(alice, Decimal("50.25"), "purchase")

    at_alice.sees_credit("50.25")
    at_bob.sees_credit("0.00")


def test_what_is_being_typed_survives_what_others_do(
    alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    at_alice.page.locator("#new-amount").fill("7")
    at_alice.page.locator("#new-description").press_sequentially("Half a sen")

    spend(account, bob, "-5.00", "Meanwhile")
    at_alice.sees_balance("Everyday", "€95.00")
    at_alice.page.keyboard.type("tence")

    expect(at_alice.page.locator("#new-description")).to_have_value("Half a sentence")
    expect(at_alice.page.locator("#new-description")).to_be_focused()
    expect(at_alice.page.locator("#new-amount")).to_have_value("7")


def test_the_whole_page_works_by_keyboard(alice: User, account: Account, sit_down: SitDown) -> None:
    at_alice = sit_down(alice)
    keyboard = at_alice.page.keyboard
    at_alice.page.locator("#new-amount").focus()

    for word in ("3.20", "Coffee"):
        keyboard.type(word)
        keyboard.press("Tab")
    keyboard.press("Enter")
    at_alice.sees_transactions("Coffee", "Opening")
    at_alice.row("Coffee").locator("[data-edit]").focus()
    keyboard.press("Enter")
    expect(at_alice.page.locator("#edit")).to_be_visible()
    keyboard.press("Escape")

    expect(at_alice.page.locator("#edit")).to_be_hidden()
    expect(at_alice.row("Coffee").locator("[data-edit]")).to_be_focused()


def test_a_refused_entry_says_where_and_why_and_keeps_what_was_typed(
    alice: User, account: Account, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)

    at_alice.enter("1,234", "A thousand or a little more")
    expect(at_alice.page.locator("#new-amount-error")).to_have_text("Write an amount such as 12.50.")
    at_alice.enter("1.234", "Too exact")

    expect(at_alice.page.locator("#new-amount-error")).not_to_be_empty()
    expect(at_alice.page.locator("#new-amount")).to_be_focused()
    expect(at_alice.page.locator("#new-description")).to_have_value("Too exact")
    assert Transaction.objects.count() == 1
    at_alice.complaints = [each for each in at_alice.complaints if "400" not in each]


def test_who_is_taken_out_of_the_family_sees_it_vanish(
    bob: User, family: Family, account: Account, sit_down: SitDown
) -> None:
    at_bob = sit_down(bob)

    Membership.objects.get(family=family, user=bob).delete()

    at_bob.sees_accounts()
    at_bob.sees_transactions()
    expect(at_bob.page.locator("#new")).to_be_hidden()


def test_who_becomes_a_member_sees_the_family_appear(
    charlie: User, family: Family, account: Account, sit_down: SitDown
) -> None:
    at_charlie = sit_down(charlie)
    at_charlie.sees_accounts()

    Membership.objects.create(family=family, user=charlie, role="member")

    at_charlie.sees_accounts("Everyday")
    at_charlie.sees_transactions("Opening")
    expect(at_charlie.page.locator("#new")).to_be_visible()


def test_an_account_made_private_stays_with_its_owner_and_comes_back_whole(
    alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    at_alice, at_bob = sit_down(alice), sit_down(bob)

    Account.objects.filter(pk=account.pk).update(is_private=True)
    at_bob.sees_accounts()
    at_bob.sees_transactions()
    spend(account, alice, "-10.00", "Unseen")
    at_alice.sees_balance("Everyday", "€90.00")
    Account.objects.filter(pk=account.pk).update(is_private=False)

    for reader in (at_alice, at_bob):
        reader.sees_balance("Everyday", "€90.00")
        reader.sees_transactions("Unseen", "Opening")


@pytest.mark.parametrize("attack", ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>"])
def test_what_people_write_is_text_and_nothing_else(
    attack: str, alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    spend(account, alice, "-1.00", attack)
    at_bob = sit_down(bob)

    spend(account, alice, "-2.00", f"later {attack}")

    at_bob.sees_transactions(f"later {attack}", attack, "Opening")


def test_a_notice_stays_until_it_is_dismissed_and_is_acknowledged_then(
    alice: User, account: Account, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    notice = at_alice.page.locator("#notices .notice")

    notices.send("Rent is due", "On Friday.", user=alice)
    expect(notice.locator("[data-title]")).to_have_text("Rent is due")
    assert not Receipt.objects.filter(user=alice).exists()
    notice.get_by_role("button", name="Dismiss").click()

    expect(notice).to_have_count(0)
    wait_until(Receipt.objects.filter(user=alice).exists, 10, lambda: "no receipt came")


def test_a_notice_that_was_not_dismissed_is_there_again_after_a_reload_and_one_that_was_is_not(
    alice: User, account: Account, sit_down: SitDown
) -> None:
    at_alice = sit_down(alice)
    notice = at_alice.page.locator("#notices .notice")
    titles = notice.locator("[data-title]")

    notices.send("Rent is due", user=alice)
    expect(titles).to_have_text(["Rent is due"])
    at_alice.page.reload()
    expect(titles).to_have_text(["Rent is due"])
    notice.get_by_role("button", name="Dismiss").click()
    wait_until(Receipt.objects.filter(user=alice).exists, 10, lambda: "no receipt came")
    at_alice.page.reload()
    notices.send("Something else", user=alice)

    expect(titles).to_have_text(["Something else"])


def _shell(code: str) -> None:
    command = [sys.executable, "manage.py", "shell", "-c", code]
    subprocess.run(command, env=variables(), check=True, capture_output=True, text=True, timeout=30)
