"""A write over REST that waits while its right is taken away: nothing of it is written after that commit.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

from functools import partial
from threading import Event

import pytest
from django.db import transaction

from accounts.models import Membership, User
from config.services.waiting import wait_until
from ledger.models import Account, Notification, Payee, Rule, Transaction, Transfer
from tests.ledger.conftest import assert_the_law_holds
from tests.ledger.test_rights_at_once import queue_behind
from tests.realtime.concurrently import (
    PATIENCE,
    answered_after,
    beside,
    somebody_waits,
    until_somebody_waits_for_a_lock,
)

pytestmark = pytest.mark.usefixtures("committed", "two_writers")

answered = partial(answered_after, waits=False)  # whose right is not even looked for need not wait
WRITTEN = (Account, Notification, Payee, Rule, Transaction, Transfer)


def everything():
    """All that the ledger holds, but for what a change of rights changes itself."""
    kept = {model: [field.attname for field in model._meta.concrete_fields] for model in WRITTEN}
    return {model.__name__: sorted(model.objects.values_list(*names), key=str) for model, names in kept.items()}


@pytest.fixture
def things(account, savings, spend, transfer, payee, rule):
    """What requests are about, by name, as a request says it."""
    rows = {"account": account, "savings": savings, "spent": spend(account, description="Bread"), "transfer": transfer}
    rows |= {"payee": payee, "rule": rule, "family": account.family}
    return {name: str(row.pk) for name, row in rows.items()}


REQUESTS = {
    "write a transaction": ("post", "transactions", {"account_id": "{account}", "amount": "-1.00"}),
    "change a transaction": ("patch", "transactions/{spent}", {"amount": "-2.00"}),
    "move a transaction": ("patch", "transactions/{spent}", {"account_id": "{savings}"}),
    "delete a transaction": ("delete", "transactions/{spent}", None),
    "make a transfer": (
        "post",
        "transfers",
        {"from_account_id": "{account}", "to_account_id": "{savings}", "amount": "3.00"},
    ),
    "change a transfer": ("patch", "transfers/{transfer}", {"amount": "4.00"}),
    "undo a transfer": ("delete", "transfers/{transfer}", None),
    "open an account": ("post", "accounts", {"family_id": "{family}", "name": "New", "currency": "USD"}),
    "rename an account": ("patch", "accounts/{savings}", {"name": "Other"}),
    "delete an account": ("delete", "accounts/{savings}", None),
    "add a payee": ("post", "payees", {"family_id": "{family}", "name": "Butcher"}),
    "rename a payee": ("patch", "payees/{payee}", {"name": "Baker"}),
    "delete a payee": ("delete", "payees/{payee}", None),
    "add a rule": (
        "post",
        "rules",
        {"family_id": "{family}", "name": "New", "account_id": "{account}", "set_category": "x"},
    ),
    "rename a rule": ("patch", "rules/{rule}", {"name": "Loaves"}),
    "delete a rule": ("delete", "rules/{rule}", None),
    "run a rule": ("post", "rules/{rule}/run", None),
}


def send(api, user, things, request):
    method, path, body = REQUESTS[request]
    filled = () if body is None else ({name: value.format(**things) for name, value in body.items()},)
    return getattr(api(user), method)(path.format(**things), *filled)


def demote(family, user):
    Membership.objects.filter(family=family, user=user).update(role="viewer")


def deactivate(family, user):
    Membership.objects.filter(family=family, user=user).update(is_active=False)


@pytest.mark.parametrize("change", [demote, deactivate])
@pytest.mark.parametrize("request_", REQUESTS)
def test_whose_role_is_taken_away_meanwhile_writes_nothing(api, family, bob, things, request_, change):
    before = everything()

    answer = answered(lambda: change(family, bob), lambda: send(api, bob, things, request_))

    assert answer.status_code == (403 if change is demote else 404)
    assert everything() == before
    assert_the_law_holds()


@pytest.mark.parametrize("request_", ["write a transaction", "make a transfer", "change a transfer", "undo a transfer"])
def test_on_an_account_that_goes_out_of_sight_meanwhile_nothing_is_written(api, account, bob, things, request_):
    written = {name: rows for name, rows in everything().items() if name != "Account"}

    answer = answered(
        lambda: Account.objects.filter(pk=account.pk).update(is_private=True),
        lambda: send(api, bob, things, request_),
    )

    assert answer.status_code == 404
    assert {name: rows for name, rows in everything().items() if name != "Account"} == written


def test_no_rule_is_made_for_an_account_that_goes_out_of_sight_meanwhile(api, account, bob, things):
    answer = answered(
        lambda: Account.objects.filter(pk=account.pk).update(is_private=True),
        lambda: send(api, bob, things, "add a rule"),
    )

    assert answer.status_code == 400
    assert [rule.name for rule in Rule.objects.all()] == ["Bread"]


def test_a_rule_that_is_moved_meanwhile_is_changed_by_who_sees_where_it_is_when_that_is_committed(
    api, account, savings, adam, rule
):
    Rule.objects.filter(pk=rule.pk).update(account=account)
    begun = Event()

    def move():
        with transaction.atomic():
            Rule.objects.filter(pk=rule.pk).update(account=savings)
            begun.set()
            until_somebody_waits_for_a_lock()

    with beside(lambda: begun.wait(PATIENCE) and api(adam).patch(f"rules/{rule.pk}", {"name": "Loaves"})) as asked:
        with transaction.atomic():
            Account.objects.filter(pk=savings.pk).update(is_private=True)
            with beside(move) as moved:
                moved.result(PATIENCE)
            wait_until(lambda: somebody_waits() or asked.done(), PATIENCE, lambda: "it neither ended nor waited")
        answer = asked.result(PATIENCE)

    assert answer.status_code == 404
    assert Rule.objects.get().name == "Bread"


@pytest.mark.parametrize("request_", ["write a transaction", "rename an account"])
def test_on_an_account_that_is_closed_meanwhile_nothing_is_written(api, open_account, family, bob, things, request_):
    closing = open_account(family, bob, "Closing")
    things |= {"account": str(closing.pk), "savings": str(closing.pk)}

    answer = answered(lambda: Account.objects.filter(pk=closing.pk).delete(), lambda: send(api, bob, things, request_))

    assert answer.status_code == 404
    assert not Account.objects.filter(pk=closing.pk).exists()
    assert not Transaction.objects.filter(account=closing.pk).exists()


def test_an_account_that_is_handed_over_meanwhile_is_not_changed_by_who_had_it(api, savings, alice, bob, things):
    answer = answered(
        lambda: Account.objects.filter(pk=savings.pk).update(owner=alice),
        lambda: send(api, bob, things, "rename an account"),
    )

    assert answer.status_code == 403
    assert Account.objects.get(pk=savings.pk).name == "Savings"


def test_an_account_is_not_handed_over_to_who_leaves_meanwhile(api, family, savings, bob, vera):
    answer = answered(
        lambda: deactivate(family, vera), lambda: api(bob).patch(f"accounts/{savings.pk}", {"owner_id": str(vera.pk)})
    )

    assert answer.status_code == 400
    assert Account.objects.get(pk=savings.pk).owner_id == bob.pk


def test_who_is_no_admin_any_more_sends_no_notice(api, family, adam):
    answer = answered(
        lambda: demote(family, adam),
        lambda: api(adam).post("notifications", {"title": "Hello", "family_id": str(family.pk)}),
    )

    assert answer.status_code == 403
    assert Notification.objects.count() == 0


def test_a_user_who_is_deactivated_meanwhile_writes_nothing(api, bob, things):
    answer = answered(
        lambda: User.objects.filter(pk=bob.pk).update(is_active=False),
        lambda: send(api, bob, things, "write a transaction"),
    )

    assert answer.status_code == 404
    assert Transaction.objects.filter(transfer=None).count() == 1


@pytest.mark.parametrize("is_first", [True, False], ids=["writes, then is deleted", "is deleted, then writes"])
def test_who_writes_with_a_key_while_they_are_deleted_waits_and_not_for_ever(
    api, account, adam, alice, things, is_first
):
    client, body = api(adam), {"account_id": str(account.pk), "amount": "-1.00"}
    answers = []

    def write():
        answers.append(client.post("transactions", body, **{"Idempotency-Key": "once"}).status_code)

    both = write, lambda: User.objects.filter(pk=adam.pk).delete()
    queue_behind(lambda: Account.objects.filter(pk=account.pk).update(name="Held"), *both[:: 1 if is_first else -1])

    assert answers == [201 if is_first else 404]
    assert not User.objects.filter(pk=adam.pk).exists()


def test_two_accounts_that_are_opened_at_once_wait_for_each_other_and_not_for_ever(api, family, alice, bob, things):
    begun = Event()
    with (
        beside(lambda: begun.wait(PATIENCE) and send(api, alice, things, "open an account")) as one,
        beside(lambda: begun.wait(PATIENCE) and send(api, bob, things, "open an account")) as other,
    ):
        begun.set()
        assert [each.result(PATIENCE).status_code for each in (one, other)] == [201, 201]
