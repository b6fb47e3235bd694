from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import transaction

from accounts.models import Family, User
from ledger.errors import NotInFamily
from ledger.models import Account, Payee, Rule, RuleRun, Transaction
from ledger.services import rules, transfers
from tests.ledger.conftest import Told


@pytest.fixture
def rule(family: Family, payee: Payee, alice: User) -> Rule:
    return Rule.objects.create(
        family=family,
        name="Bread",
        description_contains="BÄCKER",
        set_category="food",
        set_payee=payee,
        created_by=alice,
    )


def buy(account: Account, description: str, amount: str = "-3.00", **fields: object) -> Transaction:
    return Transaction.objects.create(account=account, amount=Decimal(amount), description=description, **fields)


def test_a_new_transaction_is_filled_in_before_anyone_hears_of_it(
    rule: Rule, account: Account, payee: Payee, bob: User, told: Callable[..., list[Told]]
) -> None:
    told()

    row = buy(account, "beim bäcker", created_by=bob)

    assert (row.category, row.payee_id, row.version) == ("food", payee.pk, 1)
    events = told()
    (update,) = [each for each in events if each.type == "TransactionUpdate"]
    assert (update.data["action"], update.data["data"]["payee_name"]) == ("created", "Bakery")
    (executed,) = [each for each in events if each.type == "RuleExecuted"]
    run = RuleRun.objects.get()
    assert executed.topics == {f"user:{bob.pk}"}
    assert executed.data == {
        "rule_id": str(rule.pk),
        "run_id": str(run.pk),
        "trigger": "new",
        "matched_count": 1,
        "changed_count": 1,
    }


def test_many_new_transactions_are_one_run(rule: Rule, account: Account, bob: User) -> None:
    Transaction.objects.bulk_create(
        Transaction(account=account, amount=Decimal(-1), description=text, created_by=bob)
        for text in ("Bäcker", "BÄCKER Müller", "butcher")
    )

    run = RuleRun.objects.get()
    assert (run.matched_count, run.changed_count, run.trigger) == (2, 2, "new")
    assert sorted(Transaction.objects.values_list("category", flat=True)) == ["", "food", "food"]


def test_what_the_writer_has_set_is_left_alone(rule: Rule, account: Account, family: Family) -> None:
    other = Payee.objects.create(family=family, name="Miller")

    row = buy(account, "Bäcker", category="gift", payee=other)

    assert (row.category, row.payee_id) == ("gift", other.pk)
    assert RuleRun.objects.get().changed_count == 0


def test_what_one_rule_has_set_a_later_one_leaves_alone(rule: Rule, account: Account, family: Family) -> None:
    Rule.objects.create(family=family, name="First", priority=-1, description_contains="bäcker", set_category="treat")

    assert buy(account, "Bäcker").category == "treat"


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({}, True),
        ({"amount_min": Decimal("-3.00"), "amount_max": Decimal("-3.00")}, True),
        ({"amount_min": Decimal("-2.99")}, False),
        ({"amount_max": Decimal("-3.01")}, False),
        ({"is_active": False}, False),
        ({"description_contains": "no such"}, False),
    ],
)
def test_a_rule_matches_when_all_of_its_conditions_hold(
    conditions: dict[str, object], matches: bool, rule: Rule, account: Account
) -> None:
    Rule.objects.update(**conditions)

    assert (buy(account, "Bäcker").category == "food") is matches


def test_an_amount_given_as_text_is_compared_as_a_number(rule: Rule, account: Account) -> None:
    Rule.objects.update(amount_max=Decimal(-2))

    row = Transaction(account=account, amount="-10.00", description="Bäcker")  # type: ignore[misc]
    row.save()

    assert row.category == "food"


def test_a_rule_for_one_account_leaves_others_alone(rule: Rule, account: Account, savings: Account) -> None:
    Rule.objects.update(account=savings)

    assert (buy(account, "Bäcker").category, buy(savings, "Bäcker").category) == ("", "food")


def test_rules_leave_other_families_and_transfers_alone(
    rule: Rule, account: Account, savings: Account, elsewhere: Account, alice: User
) -> None:
    buy(elsewhere, "Bäcker")
    transfers.create(alice, account, savings, Decimal(5), description="Bäcker")

    assert {row.category for row in Transaction.objects.all()} == {""}


def test_a_changed_transaction_is_not_run_again(rule: Rule, account: Account) -> None:
    row = buy(account, "butcher")

    row.description = "Bäcker"
    row.save()

    assert Transaction.objects.get().category == ""


def test_a_run_over_history_sets_what_matches_and_tells_each(
    account: Account,
    rule: Rule,
    alice: User,
    payee: Payee,
    told: Callable[..., list[Told]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Rule.objects.update(is_active=False)
    rows = [buy(account, text) for text in ("Bäcker", "BÄCKER", "butcher", "bäcker")]
    Transaction.objects.filter(pk=rows[1].pk).update(category="food", payee=payee)
    monkeypatch.setattr(rules, "BATCH", 2)
    told()

    run = rules.run_history(rule, alice)

    assert (run.matched_count, run.changed_count, run.trigger, run.user) == (3, 2, "history", alice)
    events = told()
    changed = [each for each in events if each.type == "TransactionUpdate"]
    assert {each.data["transaction_id"] for each in changed} == {str(rows[0].pk), str(rows[3].pk)}
    (executed,) = [each for each in events if each.type == "RuleExecuted"]
    assert (executed.topics, executed.data["changed_count"]) == ({f"user:{alice.pk}"}, 2)


def test_a_run_over_history_stays_within_what_the_user_may_see(
    rule: Rule, account: Account, private: Account, elsewhere: Account, bob: User
) -> None:
    Rule.objects.update(is_active=False)
    for each in (account, private, elsewhere):
        buy(each, "Bäcker")

    run = rules.run_history(rule, bob)

    assert run.changed_count == 1
    assert Transaction.objects.get(account=private).category == ""


def test_rules_are_told_to_the_family_and_those_of_a_private_account_on_its_topic(
    family: Family, account: Account, private: Account, told: Callable[..., list[Told]]
) -> None:
    told()

    rule = Rule.objects.create(family=family, name="All")
    made = told("RuleUpdate")
    Rule.objects.filter(pk=rule.pk).update(account=private)
    moved = told("RuleUpdate")
    Rule.objects.all().delete()
    gone = told("RuleUpdate")

    everyone, few = {f"family:{family.pk}"}, {f"account:{private.pk}"}
    assert [(each.data["action"], each.topics) for each in made] == [("created", everyone)]
    assert [(each.data["action"], each.topics) for each in moved] == [("deleted", everyone), ("created", few)]
    assert [(each.data["action"], each.topics) for each in gone] == [("deleted", few)]


def test_a_rule_stays_within_its_family(family: Family, elsewhere: Account) -> None:
    stranger = Payee.objects.create(family=elsewhere.family, name="Stranger")

    with pytest.raises(NotInFamily), transaction.atomic():
        Rule.objects.create(family=family, name="Over there", account=elsewhere)
    with pytest.raises(NotInFamily), transaction.atomic():
        Rule.objects.create(family=family, name="Over there", set_payee=stranger)

    assert Rule.objects.count() == 0


def test_a_deleted_account_takes_its_rules_along(
    family: Family, account: Account, told: Callable[..., list[Told]]
) -> None:
    Rule.objects.create(family=family, name="There", account=account)
    told()

    account.delete()

    assert [(each.data["action"], each.topics) for each in told("RuleUpdate")] == [("deleted", {f"family:{family.pk}"})]
