"""Lists that staff edit in place: what others changed since the page was opened stays as they left it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Family, User
from ledger.models import Account, Payee, Rule, Transaction
from tests.forms import fields_of
from tests.ledger.conftest import assert_the_law_holds, on_it


def opened(client: Client, model: str) -> dict[str, str]:
    """The form of a list as the page shows it now."""
    page = client.get(reverse(f"admin:ledger_{model}_changelist")).content.decode()
    values = {name: value for name, value in fields_of(page).items() if name.startswith(("form-", "initial-"))}
    assert values
    return values


def save(client: Client, model: str, form: dict[str, str]) -> None:
    answer = client.post(reverse(f"admin:ledger_{model}_changelist"), {**form, "_save": "Save"})
    assert answer.status_code == 302, answer.context["cl"].formset.errors


def place(form: dict[str, str], row: object) -> str:
    """How the names of a row's fields begin."""
    (name,) = (name for name, value in form.items() if value == str(row) and name.endswith("-id"))
    return name.removesuffix("id")


@pytest.fixture
def staff(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def test_what_others_changed_since_the_page_was_opened_is_not_changed_back(staff: Client, account: Account) -> None:
    theirs, ours = (Transaction.objects.create(account=account, amount=1, description="Bread") for _ in range(2))
    form = opened(staff, "transaction")
    Transaction.objects.filter(pk=theirs.pk).update(amount=Decimal(7), description="Rye bread")

    save(staff, "transaction", form | {f"{place(form, ours.pk)}description": "Rolls"})

    theirs.refresh_from_db()
    ours.refresh_from_db()
    assert (theirs.amount, theirs.description, theirs.version) == (Decimal(7), "Rye bread", 2)
    assert (ours.amount, ours.description, ours.version) == (Decimal(1), "Rolls", 2)
    assert on_it(account) == ("8.00", "8.00")
    assert_the_law_holds()


def test_of_a_row_that_others_changed_too_only_what_was_entered_is_written(staff: Client, account: Account) -> None:
    row = Transaction.objects.create(account=account, amount=1, description="Bread", category="food")
    form = opened(staff, "transaction")
    Transaction.objects.filter(pk=row.pk).update(amount=Decimal(7), status="pending")

    save(staff, "transaction", form | {f"{place(form, row.pk)}category": "home"})

    row.refresh_from_db()
    assert (row.amount, row.status, row.category, row.description) == (Decimal(7), "pending", "home", "Bread")
    assert_the_law_holds()


def test_rules_and_payees_are_not_changed_back_either(staff: Client, family: Family) -> None:
    rule = Rule.objects.create(family=family, name="Bread", set_category="food")
    payee = Payee.objects.create(family=family, name="Bakery", category="food")
    rules, payees = opened(staff, "rule"), opened(staff, "payee")
    Rule.objects.filter(pk=rule.pk).update(is_active=False)
    Payee.objects.filter(pk=payee.pk).update(category="bread")

    save(staff, "rule", rules | {f"{place(rules, rule.pk)}priority": "3"})
    save(staff, "payee", payees)

    rule.refresh_from_db()
    payee.refresh_from_db()
    assert (rule.priority, rule.is_active) == (3, False)
    assert (payee.category, payee.version) == ("bread", 2)


def test_a_box_that_is_unticked_in_the_list_is_saved(staff: Client, family: Family) -> None:
    rule = Rule.objects.create(family=family, name="Bread", set_category="food")
    form = opened(staff, "rule")

    del form[f"{place(form, rule.pk)}is_active"]
    save(staff, "rule", form)

    rule.refresh_from_db()
    assert (rule.is_active, rule.version) == (False, 2)
