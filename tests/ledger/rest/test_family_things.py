"""Payees, rules, transfers and notices over REST."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from ledger.models import Balance, Notification, Payee, Rule, Transaction, Transfer
from ledger.services import notices


def balances(*accounts):
    return [Balance.objects.get(account=account).balance for account in accounts]


def test_a_payee_is_added(api, bob, family):
    answer = api(bob).post("payees", {"family_id": str(family.pk), "name": "Butcher", "category": "food"})

    assert answer.status_code == 201
    assert answer.json() == {
        "id": str(Payee.objects.get().pk),
        "family_id": str(family.pk),
        "name": "Butcher",
        "category": "food",
        "version": 1,
    }


def test_a_family_knows_a_name_once(api, bob, family, other_family, payee):
    twice = api(bob).post("payees", {"family_id": str(family.pk), "name": "Bakery"})
    Payee.objects.create(family=other_family, name="Bakery")

    assert twice.status_code == 409
    assert twice.json() == {"detail": "The family has a payee of that name: use it, or give another name."}
    assert Payee.objects.filter(family=family).count() == 1


def test_a_payee_is_not_renamed_to_another_ones_name(api, bob, family, payee):
    other = Payee.objects.create(family=family, name="Butcher")

    answer = api(bob).patch(f"payees/{other.pk}", {"name": "Bakery"})

    assert answer.status_code == 409
    assert Payee.objects.get(pk=other.pk).name == "Butcher"


def test_a_deleted_payee_leaves_its_transactions(api, bob, account, payee, spend):
    row = spend(account, payee=payee)

    assert api(bob).delete(f"payees/{payee.pk}").status_code == 204
    assert api(bob).get(f"transactions/{row.pk}").json()["payee_id"] is None


def test_payees_are_suggested_best_first(api, vera, family, account, payee, spend):
    butcher = Payee.objects.create(family=family, name="Butcher")
    spend(account, description="Sunday roast", payee=butcher)

    answer = api(vera).get("payees/suggestions", family_id=family.pk, description="roast sunday")

    assert answer.status_code == 200
    assert answer.json() == {
        "description": "roast sunday",
        "suggestions": [{"payee_id": str(butcher.pk), "name": "Butcher", "score": 100}],
    }
    assert answer["X-Cursor"]


def test_nothing_is_learned_from_what_the_user_may_not_see(api, alice, vera, family, private, spend):
    spend(private, description="Surprise party", payee=Payee.objects.create(family=family, name="Caterer"))

    suggested = {
        user.username: api(user).get("payees/suggestions", family_id=family.pk, description="surprise").json()
        for user in (alice, vera)
    }

    assert [each["name"] for each in suggested["alice"]["suggestions"]] == ["Caterer"]
    assert suggested["vera"]["suggestions"] == []


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"description": "x"}, "family_id"),
        ({"family_id": "no-uuid", "description": "x"}, "family_id"),
        ({"family_id": str(uuid.uuid4())}, "description"),
        ({"family_id": str(uuid.uuid4()), "description": "x" * 201}, "description"),
        ({"family_id": str(uuid.uuid4()), "description": "x", "limit": "3"}, "limit"),
    ],
)
def test_a_wrong_question_for_suggestions_is_named(api, bob, query, name):
    answer = api(bob).get("payees/suggestions", **query)

    assert answer.status_code == 400
    assert list(answer.json()) == [name]


def test_a_rule_is_added(api, bob, family, account, payee):
    given = {
        "family_id": str(family.pk),
        "name": "Bread",
        "priority": 3,
        "description_contains": "bread",
        "amount_min": "-10",
        "amount_max": -0.5,
        "account_id": str(account.pk),
        "set_category": "food",
        "set_payee_id": str(payee.pk),
    }

    answer = api(bob).post("rules", given)

    assert answer.status_code == 201
    assert answer.json() == {
        **given,
        "id": str(Rule.objects.get().pk),
        "is_active": True,
        "amount_min": "-10.00",
        "amount_max": "-0.50",
        "created_by": str(bob.pk),
        "version": 1,
    }


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"set_category": ""}, "set_category"),
        ({"name": ""}, "name"),
        ({"priority": 10**9}, "priority"),
        ({"priority": "first"}, "priority"),
        ({"amount_min": "2", "amount_max": "1"}, "amount_max"),
        ({"amount_min": "1.23456"}, "amount_min"),
        ({"account_id": "{foreign}"}, "account_id"),
        ({"account_id": "{private}"}, "account_id"),
        ({"account_id": str(uuid.uuid4())}, "account_id"),
        ({"set_payee_id": str(uuid.uuid4())}, "set_payee_id"),
        ({"active": False}, "active"),
    ],
)
def test_a_wrong_rule_is_named_and_not_kept(api, bob, family, foreign, private, fields, name):
    ids = {"foreign": foreign.pk, "private": private.pk}
    fields = {key: value.format(**ids) if isinstance(value, str) else value for key, value in fields.items()}

    answer = api(bob).post("rules", {"family_id": str(family.pk), "name": "x", "set_category": "y", **fields})

    assert answer.status_code == 400
    assert list(answer.json()) == [name]
    assert not Rule.objects.exists()


def test_a_rule_runs_over_history_and_says_what_it_did(api, bob, rule, account, private, foreign, spend):
    spend(account, description="Rye bread")
    Transaction.objects.update(category="")
    spend(account, description="Rent")
    unseen = [spend(each, description="bread") for each in (private, foreign)]
    Transaction.objects.filter(pk__in=[row.pk for row in unseen]).update(category="")

    answer = api(bob).post(f"rules/{rule.pk}/run")

    assert answer.status_code == 200
    assert {**answer.json(), "run_id": ""} == {
        "rule_id": str(rule.pk),
        "run_id": "",
        "trigger": "history",
        "matched_count": 1,
        "changed_count": 1,
    }
    assert {row["description"]: row["category"] for row in api(bob).rows("transactions")} == {
        "Rye bread": "food",
        "Rent": "",
    }
    assert set(Transaction.objects.filter(pk__in=[row.pk for row in unseen]).values_list("category", flat=True)) == {""}


def test_a_rule_for_a_private_account_is_seen_with_the_account(api, alice, bob, family, private):
    hidden = Rule.objects.create(family=family, name="Secret", account=private, set_category="x")

    assert api(alice).get(f"rules/{hidden.pk}").status_code == 200
    assert api(bob).get(f"rules/{hidden.pk}").status_code == 404
    assert api(bob).post(f"rules/{hidden.pk}/run").status_code == 404
    assert api(bob).rows("rules") == []


def test_a_rule_for_a_private_account_is_seen_by_a_guest_and_changed_by_none(api, charlie, family, private):
    private.shared_with.add(charlie)
    rule = Rule.objects.create(family=family, name="Secret", account=private, set_category="x")

    assert api(charlie).get(f"rules/{rule.pk}").json()["name"] == "Secret"
    for answer in (
        api(charlie).patch(f"rules/{rule.pk}", {"is_active": False}),
        api(charlie).delete(f"rules/{rule.pk}"),
        api(charlie).post(f"rules/{rule.pk}/run"),
    ):
        assert answer.status_code == 403
    rule.refresh_from_db()
    assert rule.is_active


def test_a_rule_whose_payee_is_gone_can_still_be_switched_off(api, bob, family, payee):
    rule = Rule.objects.create(family=family, name="x", set_payee=payee)
    payee.delete()

    answer = api(bob).patch(f"rules/{rule.pk}", {"is_active": False})

    assert (answer.status_code, answer.json()["is_active"]) == (200, False)


def test_a_transfer_is_two_transactions(api, bob, account, savings):
    answer = api(bob).post(
        "transfers",
        {"from_account_id": str(account.pk), "to_account_id": str(savings.pk), "amount": "25.00", "date": "2026-01-02"},
    )

    assert answer.status_code == 201
    made = Transfer.objects.get()
    assert answer.json() == {
        "id": str(made.pk),
        "family_id": str(account.family_id),
        "from_account_id": str(account.pk),
        "to_account_id": str(savings.pk),
        "amount": "25.00",
        "currency": "USD",
        "description": "",
        "date": "2026-01-02",
        "created_by": str(bob.pk),
        "created_at": answer.json()["created_at"],
        "version": 1,
    }
    legs = api(bob).rows("transactions", transfer_id=made.pk, ordering="amount")
    assert [(leg["account_id"], leg["amount"], leg["date"]) for leg in legs] == [
        (str(account.pk), "-25.00", "2026-01-02"),
        (str(savings.pk), "25.00", "2026-01-02"),
    ]
    assert balances(account, savings) == [Decimal("-25.00"), Decimal("25.00")]


def test_changing_a_transfer_changes_both_ends(api, bob, account, savings, transfer):
    answer = api(bob).patch(f"transfers/{transfer.pk}", {"amount": "30.00"})

    assert (answer.status_code, answer.json()["amount"], answer.json()["version"]) == (200, "30.00", 2)
    assert balances(account, savings) == [Decimal("-30.00"), Decimal("30.00")]


def test_undoing_a_transfer_takes_both_ends_along(api, bob, account, savings, transfer):
    assert api(bob).delete(f"transfers/{transfer.pk}").status_code == 204
    assert balances(account, savings) == [0, 0]
    assert api(bob).rows("transactions") == []


@pytest.mark.parametrize("amount", ["0", "-5.00", "1.001", "x"])
def test_a_transfer_moves_an_amount_above_zero(api, bob, account, savings, amount):
    answer = api(bob).post(
        "transfers", {"from_account_id": str(account.pk), "to_account_id": str(savings.pk), "amount": amount}
    )

    assert answer.status_code == 400
    assert list(answer.json()) == ["amount"]
    assert not Transfer.objects.exists()


def test_a_transfer_needs_two_accounts_of_one_currency(api, bob, family, account, open_account):
    euro = open_account(family, bob, "Euro", currency="EUR")

    answers = [
        api(bob).post(
            "transfers", {"from_account_id": str(account.pk), "to_account_id": str(target.pk), "amount": "1.00"}
        )
        for target in (account, euro)
    ]

    assert [(each.status_code, each.json()) for each in answers] == [
        (400, {"detail": "A transfer needs two different accounts."}),
        (400, {"detail": "USD cannot be transferred to EUR: write two transactions instead."}),
    ]
    assert not Transfer.objects.exists()


def test_a_transfer_with_an_account_out_of_sight_is_unseen(api, alice, bob, account, private):
    made = api(alice).post(
        "transfers", {"from_account_id": str(account.pk), "to_account_id": str(private.pk), "amount": "1.00"}
    )

    assert made.status_code == 201
    assert api(bob).rows("transfers") == []
    assert api(bob).get(f"transfers/{made.json()['id']}").status_code == 404


def test_notices_are_listed_for_whom_they_are(api, alice, bob, charlie, family):
    notices.send("To all")
    notices.send("To the family", family=family)
    notices.send("To bob", user=bob)
    notices.send("Too late", expires_at=timezone.now() - timedelta(seconds=1))

    seen = {user.username: [row["title"] for row in api(user).rows("notifications")] for user in (alice, bob, charlie)}

    assert seen == {
        "alice": ["To the family", "To all"],
        "bob": ["To bob", "To the family", "To all"],
        "charlie": ["To all"],
    }


def test_a_notice_is_sent(api, alice, family):
    answer = api(alice).post(
        "notifications",
        {
            "family_id": str(family.pk),
            "title": "Hi",
            "message": "All",
            "level": "warning",
            "expires_at": "2099-01-01T00:00:00Z",
        },
    )

    assert answer.status_code == 201
    made = Notification.objects.get()
    assert answer.json() == {
        "notification_id": str(made.pk),
        "level": "warning",
        "title": "Hi",
        "message": "All",
        "created_at": answer.json()["created_at"],
        "expires_at": "2099-01-01T00:00:00.000Z",
    }
    assert (made.family, made.user, made.created_by) == (family, None, alice)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"title": ""}, "title"),
        ({"level": "loud"}, "level"),
        ({"message": "x" * 4001}, "message"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"user_id": str(uuid.uuid4())}, "family_id"),
    ],
)
def test_a_wrong_notice_is_named_and_not_sent(api, alice, family, fields, name):
    answer = api(alice).post("notifications", {"family_id": str(family.pk), "title": "x", **fields})

    assert answer.status_code == 400
    assert list(answer.json()) == [name]
    assert not Notification.objects.exists()


def test_staff_is_told_when_there_is_nobody_of_that_id(api, admin):
    for field in ("user_id", "family_id"):
        assert api(admin).post("notifications", {field: str(uuid.uuid4()), "title": "x"}).status_code == 404
    assert not Notification.objects.exists()
