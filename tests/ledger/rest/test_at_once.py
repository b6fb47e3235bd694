"""A change over REST that waits while somebody else changes the same row: it is judged, and answered, by what is then.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

import pytest

from ledger.models import Payee, Rule, Transaction
from tests.realtime.concurrently import answered_after

pytestmark = pytest.mark.usefixtures("committed", "two_writers")


def update(row, **values):
    return lambda: type(row).objects.filter(pk=row.pk).update(**values)


def test_a_change_is_answered_with_the_row_as_it_is_saved(api, bob, account, spend):
    row = spend(account, description="Bread", category="food")

    answer = answered_after(
        update(row, description="Rye bread"), lambda: api(bob).patch(f"transactions/{row.pk}", {"category": "home"})
    )

    assert answer.status_code == 200
    assert answer.json() == api(bob).get(f"transactions/{row.pk}").json()
    assert [answer.json()[name] for name in ("description", "category", "version")] == ["Rye bread", "home", 3]


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_what_moves_out_of_sight_meanwhile_is_not_changed(api, bob, account, private, spend, method):
    row = spend(account, description="Bread")
    arguments = ({"description": "Mine"},) if method == "patch" else ()

    answer = answered_after(
        update(row, account=private), lambda: getattr(api(bob), method)(f"transactions/{row.pk}", *arguments)
    )

    assert (answer.status_code, answer.content) == (404, b'{"detail":"Not found."}')
    now = Transaction.objects.get(pk=row.pk)
    assert (now.account_id, now.description, now.version) == (private.pk, "Bread", 2)


def test_what_moves_to_another_account_in_sight_meanwhile_is_changed_there(api, bob, account, savings, spend):
    row = spend(account, description="Bread")

    answer = answered_after(
        update(row, account=savings), lambda: api(bob).patch(f"transactions/{row.pk}", {"category": "food"})
    )

    assert answer.json() == api(bob).get(f"transactions/{row.pk}").json()
    assert (answer.json()["account_id"], answer.json()["category"]) == (str(savings.pk), "food")


def test_nothing_moves_to_an_account_that_goes_out_of_sight_meanwhile(api, bob, account, savings, alice, spend):
    row = spend(account)

    answer = answered_after(
        update(savings, owner=alice, is_private=True),
        lambda: api(bob).patch(f"transactions/{row.pk}", {"account_id": str(savings.pk)}),
    )

    assert answer.status_code == 404
    assert Transaction.objects.get(pk=row.pk).account_id == account.pk


def test_a_payee_is_answered_as_it_is_saved(api, bob, payee):
    answer = answered_after(
        update(payee, category="bread"), lambda: api(bob).patch(f"payees/{payee.pk}", {"name": "The bakery"})
    )

    assert answer.json() == api(bob).get(f"payees/{payee.pk}").json()
    assert Payee.objects.get().category == answer.json()["category"] == "bread"


def test_a_rule_is_answered_as_it_is_saved(api, bob, rule):
    answer = answered_after(update(rule, priority=7), lambda: api(bob).patch(f"rules/{rule.pk}", {"name": "Loaves"}))

    assert answer.json() == api(bob).get(f"rules/{rule.pk}").json()
    assert Rule.objects.get().priority == answer.json()["priority"] == 7


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_rule_that_goes_out_of_sight_meanwhile_is_not_changed(api, bob, rule, private, method):
    arguments = ({"name": "Mine"},) if method == "patch" else ()

    answer = answered_after(
        update(rule, account=private), lambda: getattr(api(bob), method)(f"rules/{rule.pk}", *arguments)
    )

    assert answer.status_code == 404
    assert (Rule.objects.get().name, Rule.objects.get().version) == ("Bread", 2)
