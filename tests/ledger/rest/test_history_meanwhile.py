"""A rule that runs over history while a right is taken away, or something is deleted: each batch is judged by itself.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

import pytest

from ledger.models import Account, Payee, Rule, RuleRun, Transaction
from ledger.services import rules
from tests.ledger.rest.test_rights_taken_meanwhile import deactivate, demote
from tests.realtime.concurrently import PATIENCE, answered_after, beside

pytestmark = pytest.mark.usefixtures("committed", "two_writers")


@pytest.fixture
def history(account, savings, spend, rule, monkeypatch):
    """Two that the rule matches, each looked at in a batch of its own: on checking, then on bob's savings."""
    monkeypatch.setattr(rules, "BATCH", 1)
    Rule.objects.update(is_active=False)
    return [spend(each, description="Bread").pk for each in (account, savings)]


def set_by(history):
    return [Transaction.objects.get(pk=each).category for each in history]


def test_a_run_over_history_leaves_alone_what_goes_out_of_sight_meanwhile(api, savings, adam, history, rule):
    answer = answered_after(
        lambda: Account.objects.filter(pk=savings.pk).update(is_private=True),
        lambda: api(adam).post(f"rules/{rule.pk}/run"),
    )

    assert (answer.status_code, answer.json()["matched_count"], answer.json()["changed_count"]) == (200, 1, 1)
    assert set_by(history) == ["food", ""]


def run_while(taken, api, user, rule, monkeypatch):
    """The answer to a run over history whose second batch begins when ``taken`` is committed already."""
    whole, batches = rules._batches, []

    def between(*args):
        for batch in whole(*args):
            if batches:
                with beside(taken) as done:
                    done.result(PATIENCE)
            batches.append(batch)
            yield batch

    monkeypatch.setattr(rules, "_batches", between)
    return api(user).post(f"rules/{rule.pk}/run")


@pytest.mark.parametrize("change", [demote, deactivate])
def test_a_run_over_history_ends_where_its_user_may_no_longer_write(
    api, family, adam, history, rule, change, monkeypatch
):
    answer = run_while(lambda: change(family, adam), api, adam, rule, monkeypatch)

    assert answer.status_code == (403 if change is demote else 404)
    assert set_by(history) == ["food", ""]
    assert [(run.matched_count, run.changed_count) for run in RuleRun.objects.filter(user=adam)] == [(1, 1)]


def test_a_run_over_history_ends_with_its_rule(api, adam, history, rule, monkeypatch):
    answer = run_while(lambda: Rule.objects.filter(pk=rule.pk).delete(), api, adam, rule, monkeypatch)

    assert answer.status_code == 404
    assert set_by(history) == ["food", ""]


def test_a_run_over_history_sets_no_payee_that_is_deleted_meanwhile(api, adam, history, rule, payee, monkeypatch):
    Rule.objects.update(set_payee=payee)

    answer = run_while(lambda: Payee.objects.filter(pk=payee.pk).delete(), api, adam, rule, monkeypatch)

    assert (answer.status_code, answer.json()["changed_count"]) == (200, 2)
    assert set_by(history) == ["food", "food"]
    assert not Transaction.objects.exclude(payee=None).exists()
