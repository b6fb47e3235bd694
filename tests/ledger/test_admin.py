"""Staff write by the same ways as everybody else: each change posted, told, or refused with the way named."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import User
from ledger.models import Account, AccountShare, CreditEntry, Rule, RuleRun, Transaction, Transfer
from ledger.services import credits as credit
from ledger.services import rules, transfers
from tests.ledger.conftest import Told, assert_the_law_holds, on_it

LIST = reverse("admin:ledger_transaction_changelist")


@pytest.fixture
def staff(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def page(name: str, *args: object) -> str:
    return reverse(f"admin:ledger_{name}", args=args)


def fields(account: Account, **changes: object) -> dict[str, Any]:
    """What the form of a transaction sends."""
    form = {
        "account": account.pk,
        "amount": "5.00",
        "status": "posted",
        "description": "By hand",
        "payee": "",
        "category": "",
        "date": "2026-01-02",
    }
    return {**form, **changes}


def between(source: Account, target: Account) -> dict[str, Any]:
    """What the form of a transfer sends."""
    ends = {"from_account": source.pk, "to_account": target.pk}
    return {**ends, "amount": "5.00", "description": "", "date": "2026-01-02"}


def edited(*rows: Transaction, **changes: str) -> dict[str, Any]:
    """What the list sends when its editable columns are saved."""
    form: dict[str, Any] = {
        "form-TOTAL_FORMS": len(rows),
        "form-INITIAL_FORMS": len(rows),
        "_save": "Save",
    }
    for place, row in enumerate(rows):
        columns = {"id": row.pk, "amount": row.amount, "status": row.status, "description": row.description}
        shown = {**columns, "category": row.category}
        for name, value in {**shown, **changes}.items():
            form[f"form-{place}-{name}"] = value
            form[f"initial-form-{place}-{name}"] = shown[name]
    return form


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize(
    "model",
    [
        "account",
        "balance",
        "payee",
        "transaction",
        "transfer",
        "rule",
        "rulerun",
        "creditbalance",
        "creditentry",
        "notification",
    ],
)
def test_each_list_and_form_opens(model: str, staff: Client, alice: User, account: Account, savings: Account) -> None:
    transfers.create(alice, account, savings, Decimal(5))
    rule = Rule.objects.create(family=account.family, name="All", set_category="x")
    Transaction.objects.create(account=account, amount=1, created_by=alice)
    credit.change(alice, Decimal(1), "reward")

    assert staff.get(page(f"{model}_changelist")).status_code == 200
    may_add = model not in {"balance", "rulerun", "creditbalance"}
    assert staff.get(page(f"{model}_add")).status_code == (200 if may_add else 403)
    assert RuleRun.objects.get().rule == rule


def test_an_added_transaction_is_posted_told_and_signed(
    staff: Client, admin: User, account: Account, told: Callable[..., list[Told]]
) -> None:
    told()

    staff.post(page("transaction_add"), fields(account))

    row = Transaction.objects.get()
    assert (row.amount, row.created_by) == (Decimal("5.00"), admin)
    assert on_it(account) == ("5.00", "5.00")
    assert [each.type for each in told()] == ["TransactionUpdate", "AccountBalanceUpdate"]


def test_a_changed_transaction_is_posted_and_told(
    staff: Client, account: Account, told: Callable[..., list[Told]]
) -> None:
    row = Transaction.objects.create(account=account, amount=1)
    told()

    staff.post(page("transaction_change", row.pk), fields(account, amount="7.00", shown_version=1))

    assert on_it(account) == ("7.00", "7.00")
    assert [each.data["action"] for each in told("TransactionUpdate")] == ["updated"]


def test_rows_edited_in_the_list_are_posted_and_told_each(
    staff: Client, account: Account, told: Callable[..., list[Told]]
) -> None:
    rows = [Transaction.objects.create(account=account, amount=amount) for amount in (1, 2)]
    told()

    staff.post(LIST, edited(*rows, amount="10.00"))

    assert on_it(account) == ("20.00", "20.00")
    assert [each.data["data"]["amount"] for each in told("TransactionUpdate")] == ["10.00", "10.00"]


def test_a_deleted_transaction_is_taken_out_and_told(
    staff: Client, account: Account, told: Callable[..., list[Told]]
) -> None:
    row = Transaction.objects.create(account=account, amount=1)
    told()

    staff.post(page("transaction_delete", row.pk), {"post": "yes"})

    assert on_it(account) == ("0.00", "0.00")
    assert [each.data["action"] for each in told("TransactionUpdate")] == ["deleted"]


def test_delete_selected_is_posted_and_told_each(
    staff: Client, account: Account, told: Callable[..., list[Told]]
) -> None:
    rows = [Transaction.objects.create(account=account, amount=amount) for amount in (1, 2, 4)]
    told()

    chosen = {"action": "delete_selected", "_selected_action": [rows[0].pk, rows[1].pk]}
    staff.post(LIST, chosen)
    asked = (Transaction.objects.count(), told())
    staff.post(LIST, {**chosen, "post": "yes"})

    assert asked == (3, [])
    assert on_it(account) == ("4.00", "4.00")
    assert [each.data["action"] for each in told("TransactionUpdate")] == ["deleted", "deleted"]


def test_an_amount_the_currency_does_not_have_is_said_in_the_form(staff: Client, account: Account) -> None:
    response = staff.post(page("transaction_add"), fields(account, amount="5.001"))

    assert "EUR amounts have at most 2 decimals" in response.content.decode()
    assert Transaction.objects.count() == 0


def test_half_of_a_transfer_is_refused_everywhere_and_the_way_named(
    staff: Client, alice: User, account: Account, savings: Account
) -> None:
    transfers.create(alice, account, savings, Decimal(5))
    leg = Transaction.objects.get(account=account)

    answers = [
        staff.post(LIST, edited(leg, status="void"), follow=True),
        staff.post(LIST, {"action": "delete_selected", "_selected_action": [leg.pk], "post": "yes"}, follow=True),
        staff.post(page("transaction_delete", leg.pk), {"post": "yes"}, follow=True),
    ]

    why = "This transaction is one half of a transfer: call ledger.services.transfers"
    assert [[each.startswith(why) for each in said(answer)] for answer in answers] == [[True]] * 3
    assert (on_it(account), on_it(savings)) == (("-5.00", "-5.00"), ("5.00", "5.00"))
    assert LogEntry.objects.count() == 0


def test_what_the_halves_do_not_share_is_edited_and_the_rest_is_not_offered(
    staff: Client, alice: User, account: Account, savings: Account
) -> None:
    transfers.create(alice, account, savings, Decimal(5))
    leg = Transaction.objects.get(account=account)

    form = {"description": "Saved", "payee": "", "category": "", "amount": "9", "shown_version": 1}
    staff.post(page("transaction_change", leg.pk), form)

    leg.refresh_from_db()
    assert (leg.description, leg.amount) == ("Saved", Decimal(-5))


def test_transfers_go_through_the_service(staff: Client, account: Account, savings: Account) -> None:
    form = {
        "from_account": account.pk,
        "to_account": savings.pk,
        "amount": "5.00",
        "description": "",
        "date": "2026-01-02",
    }
    staff.post(page("transfer_add"), form)
    made = (on_it(account), on_it(savings))
    transfer = Transfer.objects.get()
    form = {"amount": "7.00", "description": "More", "date": "2026-01-03", "shown_version": 1}
    staff.post(page("transfer_change", transfer.pk), form)
    changed = (on_it(account), on_it(savings))
    staff.post(page("transfer_delete", transfer.pk), {"post": "yes"})

    assert made == (("-5.00", "-5.00"), ("5.00", "5.00"))
    assert changed == (("-7.00", "-7.00"), ("7.00", "7.00"))
    assert (on_it(account), on_it(savings)) == (("0.00", "0.00"), ("0.00", "0.00"))


def test_a_transfer_the_service_refuses_is_said(staff: Client, account: Account, elsewhere: Account) -> None:
    form = {
        "from_account": account.pk,
        "to_account": elsewhere.pk,
        "amount": "5",
        "description": "",
        "date": "2026-01-02",
    }

    response = staff.post(page("transfer_add"), form, follow=True)

    assert said(response) == ["A transfer stays within one family."]
    assert Transfer.objects.count() == 0


def test_an_account_is_added_shared_and_deleted_with_all_that_is_on_it(
    staff: Client, account: Account, alice: User, bob: User, told: Callable[..., list[Told]]
) -> None:
    form = {
        "family": account.family_id,
        "owner": alice.pk,
        "name": "New",
        "type": "cash",
        "currency": "EUR",
        "number": "",
        "is_private": "on",
        "shares-TOTAL_FORMS": "1",
        "shares-INITIAL_FORMS": "0",
        "shares-0-user": bob.pk,
    }
    staff.post(page("account_add"), form)
    made = Account.objects.get(name="New")
    assert AccountShare.objects.get().user == bob
    Transaction.objects.create(account=made, amount=1)
    told()

    staff.post(page("account_delete", made.pk), {"post": "yes"})

    assert not Account.objects.filter(name="New").exists()
    assert [each.data["action"] for each in told("TransactionUpdate", "AccountUpdate")] == ["deleted", "deleted"]
    assert_the_law_holds()


def test_a_currency_there_is_not_is_said_in_the_form(staff: Client, account: Account) -> None:
    form = {
        "owner": account.owner_id,
        "name": "Everyday",
        "type": "cash",
        "currency": "EUX",
        "number": "",
        "shares-TOTAL_FORMS": "0",
        "shares-INITIAL_FORMS": "0",
        "shown_version": account.version,
    }

    response = staff.post(page("account_change", account.pk), form)

    assert "is no ISO 4217 code" in response.content.decode()
    assert Account.objects.get(pk=account.pk).currency == "EUR"


@pytest.mark.parametrize("model", ["balance", "creditbalance", "creditentry", "rulerun"])
def test_what_services_write_is_only_looked_at(model: str, staff: Client, account: Account, alice: User) -> None:
    rule = Rule.objects.create(family=account.family, name="All")
    run = RuleRun.objects.create(rule=rule, user=alice, trigger="new")
    entry = credit.change(alice, Decimal(1), "reward")
    pk = {"balance": account.pk, "creditbalance": alice.pk, "creditentry": entry.pk, "rulerun": run.pk}[model]

    assert staff.get(page(f"{model}_change", pk)).status_code == 200
    assert staff.post(page(f"{model}_change", pk), {"balance": "5", "change": "5"}).status_code == 403
    assert staff.post(page(f"{model}_delete", pk), {"post": "yes"}).status_code == 403


def test_credit_is_changed_by_adding_an_entry(staff: Client, bob: User, told: Callable[..., list[Told]]) -> None:
    told()

    staff.post(page("creditentry_add"), {"user": bob.pk, "change": "12.50", "reason": "refund", "metadata": "{}"})

    assert CreditEntry.objects.get().balance_after == Decimal("12.50")
    assert [(each.type, each.data["balance"]) for each in told()] == [("CreditBalanceUpdate", "12.50")]


def test_credit_that_is_not_there_is_not_taken(staff: Client, bob: User) -> None:
    form = {"user": bob.pk, "change": "-1.00", "reason": "usage", "metadata": "{}"}

    response = staff.post(page("creditentry_add"), form, follow=True)

    assert said(response) == ["Credit is 0.00; 1.00 cannot be taken from it."]
    assert CreditEntry.objects.count() == 0


def test_a_rule_is_run_over_what_the_staff_member_may_see(staff: Client, account: Account) -> None:
    Transaction.objects.create(account=account, amount=1)
    rule = Rule.objects.create(family=account.family, name="All", set_category="x")

    response = staff.post(
        page("rule_changelist"), {"action": "run_over_history", "_selected_action": [rule.pk]}, follow=True
    )

    assert said(response) == ["All: 0 matched, 0 changed"]


def test_a_rule_that_is_deleted_while_it_waits_its_turn_is_said_to_be(
    staff: Client, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Rule.objects.create(family=account.family, name=name, set_category="x") for name in ("A", "B"))
    run = rules.run_history

    def run_and_delete(rule: Rule, user: User) -> RuleRun:
        Rule.objects.filter(pk=first.pk).delete()
        return run(rule, user)

    monkeypatch.setattr(rules, "run_history", run_and_delete)
    response = staff.post(
        page("rule_changelist"),
        {"action": "run_over_history", "_selected_action": [first.pk, second.pk]},
        follow=True,
    )

    assert said(response) == ["A has just been deleted.", "B: 0 matched, 0 changed"]
