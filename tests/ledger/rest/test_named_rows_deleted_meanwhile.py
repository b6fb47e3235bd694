"""A write over REST that names a row which is deleted while it waits: answered as if there had never been one.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.db.models import ProtectedError

from accounts.models import Family, Membership
from ledger.models import (
    Account,
    AccountShare,
    CreditBalance,
    CreditEntry,
    Notification,
    Payee,
    Rule,
    RuleRun,
    Transaction,
)
from ledger.models.guarded import unguarded
from tests.ledger.conftest import assert_the_law_holds
from tests.ledger.test_rights_at_once import queue_behind
from tests.realtime.concurrently import answered_after

pytestmark = pytest.mark.usefixtures("committed", "two_writers")


def gone(row):
    """Have a row deleted, by a query of its own."""
    return lambda: type(row).objects.filter(pk=row.pk).delete()


NAMING_A_PAYEE = {
    "write a transaction": ("post", "transactions", {"account_id": "{account}", "amount": "-1.00"}, "payee_id"),
    "change a transaction": ("patch", "transactions/{spent}", {}, "payee_id"),
    "add a rule": ("post", "rules", {"family_id": "{family}", "name": "New"}, "set_payee_id"),
    "change a rule": ("patch", "rules/{rule}", {}, "set_payee_id"),
}


@pytest.mark.parametrize("request_", NAMING_A_PAYEE)
def test_a_payee_that_is_deleted_meanwhile_is_none_of_the_family(api, account, bob, spend, rule, payee, request_):
    ids = {"account": account.pk, "spent": spend(account).pk, "rule": rule.pk, "family": account.family_id}
    method, path, body, field = NAMING_A_PAYEE[request_]
    body = {name: value.format(**ids) for name, value in body.items()} | {field: str(payee.pk)}
    send = getattr(api(bob), method)
    unknown = send(path.format(**ids), body | {field: str(account.pk)})

    answer = answered_after(gone(payee), lambda: send(path.format(**ids), body | {field: str(payee.pk)}))

    assert (answer.status_code, answer.json()) == (400, unknown.json())
    assert list(answer.json()) == [field]
    assert (Transaction.objects.count(), Rule.objects.count()) == (1, 1)
    assert_the_law_holds()


def test_a_payee_that_is_named_first_loses_the_name_with_the_deletion_that_waits(api, account, bob, payee, family):
    answers = []

    def write():
        body = {"account_id": str(account.pk), "amount": "-1.00", "payee_id": str(payee.pk)}
        answers.append(api(bob).post("transactions", body).status_code)

    Transaction.objects.create(account=account, amount=1, payee=payee)  # so that both come for the account
    queue_behind(lambda: Account.objects.filter(pk=account.pk).update(name="Held"), write, gone(payee))

    assert answers == [201]
    assert list(Transaction.objects.values_list("payee", flat=True)) == [None, None]


def test_a_rule_sets_no_payee_that_is_deleted_meanwhile(api, account, bob, rule, payee):
    Rule.objects.filter(pk=rule.pk).update(set_payee=payee)
    body = {"account_id": str(account.pk), "amount": "-1.00", "description": "Bread"}

    answer = answered_after(gone(payee), lambda: api(bob).post("transactions", body))

    assert answer.status_code == 201
    assert (answer.json()["payee_id"], answer.json()["category"]) == (None, "food")
    assert [(run.matched_count, run.changed_count) for run in RuleRun.objects.all()] == [(1, 1)]


def test_a_rule_that_is_deleted_meanwhile_sets_nothing(api, account, bob, rule):
    body = {"account_id": str(account.pk), "amount": "-1.00", "description": "Bread"}

    answer = answered_after(gone(rule), lambda: api(bob).post("transactions", body))

    assert (answer.status_code, answer.json()["category"]) == (201, "")
    assert RuleRun.objects.count() == 0


@pytest.mark.parametrize("change", [True, False], ids=["an account", "a new account"])
def test_an_account_is_not_shared_with_who_is_deleted_meanwhile(api, savings, bob, charlie, change):
    shared = {"shared_with": [str(charlie.pk)]}
    new = {"family_id": str(savings.family_id), "name": "New", "currency": "EUR"} | shared

    answer = answered_after(
        gone(charlie),
        lambda: api(bob).patch(f"accounts/{savings.pk}", shared) if change else api(bob).post("accounts", new),
    )

    assert (answer.status_code, list(answer.json())) == (400, ["shared_with"])
    assert not AccountShare.objects.exists()
    assert [account.name for account in Account.objects.all()] == ["Savings"]


def test_an_account_is_not_handed_over_to_who_is_deleted_meanwhile(api, savings, bob, vera):
    answer = answered_after(gone(vera), lambda: api(bob).patch(f"accounts/{savings.pk}", {"owner_id": str(vera.pk)}))

    assert (answer.status_code, list(answer.json())) == (400, ["owner_id"])
    assert Account.objects.get().owner_id == bob.pk


def test_who_is_deleted_meanwhile_is_given_no_credit(api, admin, charlie):
    body = {"user_id": str(charlie.pk), "amount": "1.00", "reason": "reward"}

    answer = answered_after(gone(charlie), lambda: api(admin).post("credits", body))

    assert answer.status_code == 404
    assert not CreditEntry.objects.exists()


def test_who_is_deleted_while_they_are_given_credit_is_deleted_with_it(api, admin, charlie):
    body = {"user_id": str(charlie.pk), "amount": "1.00", "reason": "reward"}
    api(admin).post("credits", body)
    answers = []

    queue_behind(
        lambda: unguarded(CreditBalance, "default").select_for_update().get(pk=charlie.pk),
        lambda: answers.append(api(admin).post("credits", body).status_code),
        gone(charlie),
    )

    assert answers == [201]
    assert not CreditEntry.objects.exists()


@pytest.mark.parametrize("whom", ["user_id", "family_id"])
def test_who_is_deleted_meanwhile_is_sent_no_notice(api, admin, charlie, other_family, whom):
    addressee = charlie if whom == "user_id" else other_family

    answer = answered_after(
        gone(addressee), lambda: api(admin).post("notifications", {"title": "Hello", whom: str(addressee.pk)})
    )

    assert answer.status_code == 404
    assert not Notification.objects.exists()


IN_A_FAMILY = {
    "open an account": ("accounts", {"name": "New", "currency": "EUR"}),
    "add a payee": ("payees", {"name": "New"}),
    "add a rule": ("rules", {"name": "New", "set_category": "x"}),
    "send a notice": ("notifications", {"title": "New"}),
}


@pytest.mark.parametrize("is_first", [True, False], ids=["writes, then it is deleted", "it is deleted, then writes"])
@pytest.mark.parametrize("request_", IN_A_FAMILY)
def test_a_family_that_is_deleted_meanwhile_and_a_write_wait_for_each_other_and_not_for_ever(
    api, charlie, other_family, request_, is_first
):
    path, body = IN_A_FAMILY[request_]
    answers = []

    def write():
        answers.append(api(charlie).post(path, body | {"family_id": str(other_family.pk)}).status_code)

    def delete():
        with suppress(ProtectedError):  # an account was opened before
            gone(other_family)()

    both = write, delete
    queue_behind(lambda: Membership.objects.filter(user=charlie).update(role="owner"), *both[:: 1 if is_first else -1])

    opened = is_first and request_ == "open an account"
    assert answers == [201 if is_first else 404]
    assert Family.objects.filter(pk=other_family.pk).exists() == opened
    assert not any(model.objects.exists() for model in (Payee, Rule, Notification))
