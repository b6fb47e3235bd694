"""Transactions over REST: what goes in, what comes out, what lists narrow down to."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from ledger.models import Account, Balance, Payee, Transaction


def balance(account):
    return Balance.objects.get(account=account).balance


def body(account, **fields):
    return {"account_id": str(account.pk), "amount": "-12.50", "description": "Bakery", **fields}


def test_a_transaction_needs_only_account_amount_and_description(api, bob, account):
    answer = api(bob).post("transactions", body(account))

    assert answer.status_code == 201
    made = Transaction.objects.get()
    assert answer.json() == {
        "id": str(made.pk),
        "account_id": str(account.pk),
        "amount": "-12.50",
        "currency": "USD",
        "status": "posted",
        "description": "Bakery",
        "payee_id": None,
        "payee_name": None,
        "category": "",
        "date": timezone.localdate().isoformat(),
        "created_by": str(bob.pk),
        "created_by_name": "bob",
        "transfer_id": None,
        "created_at": answer.json()["created_at"],
        "updated_at": answer.json()["updated_at"],
        "version": 1,
    }
    assert answer.json()["created_at"].endswith("Z")
    assert balance(account) == Decimal("-12.50")
    assert api(bob).get(f"transactions/{made.pk}").json() == answer.json()


def test_everything_can_be_given(api, bob, account, payee):
    answer = api(bob).post(
        "transactions",
        body(account, status="pending", payee_id=str(payee.pk), category="food", date="2026-02-03"),
    )

    assert answer.status_code == 201
    names = ("status", "payee_id", "payee_name", "category", "date")
    assert [answer.json()[name] for name in names] == ["pending", str(payee.pk), "Bakery", "food", "2026-02-03"]
    assert balance(account) == 0


def test_rules_fill_in_what_was_left_open_and_the_answer_shows_it(api, bob, account, rule):
    answer = api(bob).post("transactions", body(account, description="Rye bread"))

    assert answer.json()["category"] == "food"


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("account_id", "no-uuid", "UUID"),
        ("account_id", None, "null"),
        ("amount", "", "number"),
        ("amount", "abc", "number"),
        ("amount", "NaN", "number"),
        ("amount", "Infinity", "number"),
        ("amount", True, "decimal number as a string"),
        ("amount", [1], "decimal number as a string"),
        ("amount", "0.00", "not zero"),
        ("amount", "1.234", "at most 2 decimals"),
        ("amount", "1e300", "number"),
        ("amount", "99999999999999.00", "at most 15 digits"),
        ("amount", "1" * 2000, "number"),
        ("amount", "9" * 20, "digits"),
        ("description", "x" * 201, "200"),
        ("description", "nul\0", "Null characters"),
        ("description", {"a": 1}, "string"),
        ("status", "gone", "valid choice"),
        ("payee_id", str(uuid.UUID(int=7)), "payee of the account's family"),
        ("category", "x" * 65, "64"),
        ("date", "03.02.2026", "YYYY-MM-DD"),
        ("amonut", "1.00", "account_id, amount, description"),
        ("id", str(uuid.UUID(int=7)), "Unknown"),
    ],
)
def test_wrong_input_is_refused_with_what_to_do_and_nothing_happens(api, bob, account, field, value, word):
    answer = api(bob).post("transactions", body(account, **{field: value}))

    assert answer.status_code == 400
    assert word in answer.json()[field][0]
    assert not Transaction.objects.exists()
    assert balance(account) == 0


@pytest.mark.parametrize("field", ["account_id", "amount"])
def test_what_is_missing_is_named(api, bob, account, field):
    answer = api(bob).post("transactions", {key: each for key, each in body(account).items() if key != field})

    assert answer.status_code == 400
    assert list(answer.json()) == [field]


@pytest.mark.parametrize("given", [[], "text", 1, None])
def test_a_body_that_is_no_object_is_refused(api, bob, given):
    answer = api(bob).post("transactions", given)

    assert answer.status_code == 400


def test_the_payee_of_another_family_is_refused_as_an_unknown_one_is(api, bob, account, other_family):
    foreign = Payee.objects.create(family=other_family, name="Theirs")

    answers = [api(bob).post("transactions", body(account, payee_id=str(id))) for id in (foreign.pk, uuid.uuid4())]

    assert [each.status_code for each in answers] == [400, 400]
    assert answers[0].content == answers[1].content


def test_an_unknown_account_and_one_out_of_sight_answer_byte_alike(api, bob, account, private, foreign):
    ids = (private.pk, foreign.pk, uuid.uuid4())

    answers = [api(bob).post("transactions", {**body(account), "account_id": str(id)}) for id in ids]

    assert {(each.status_code, each.content) for each in answers} == {(404, b'{"detail":"Not found."}')}


def test_a_change_touches_only_what_is_given(api, bob, account, payee, spend):
    row = spend(account, "-5.00", description="Bread", category="food", payee=payee)

    answer = api(bob).patch(f"transactions/{row.pk}", {"amount": "-7.25"})

    assert answer.status_code == 200
    names = ("amount", "description", "category", "payee_name", "version")
    assert [answer.json()[name] for name in names] == ["-7.25", "Bread", "food", "Bakery", 2]
    assert balance(account) == Decimal("-7.25")


def test_a_change_of_nothing_changes_nothing(api, bob, account, spend):
    row = spend(account)

    answer = api(bob).patch(f"transactions/{row.pk}", {})

    assert answer.status_code == 200
    assert answer.json()["version"] == 1


def test_a_payee_can_be_taken_away(api, bob, account, payee, spend):
    row = spend(account, payee=payee)

    answer = api(bob).patch(f"transactions/{row.pk}", {"payee_id": None})

    assert (answer.json()["payee_id"], answer.json()["payee_name"]) == (None, None)


def test_a_transaction_moves_to_another_account_with_its_money(api, bob, account, savings, spend):
    row = spend(account, "-5.00")

    answer = api(bob).patch(f"transactions/{row.pk}", {"account_id": str(savings.pk)})

    assert answer.json()["account_id"] == str(savings.pk)
    assert (balance(account), balance(savings)) == (0, Decimal("-5.00"))


def test_a_transaction_does_not_move_where_its_amount_cannot_be(api, bob, family, account, spend, open_account):
    yen = open_account(family, bob, "Yen", currency="JPY")
    row = spend(account, "-5.50")

    answer = api(bob).patch(f"transactions/{row.pk}", {"account_id": str(yen.pk)})

    assert answer.status_code == 400
    assert answer.json() == {"amount": ["JPY amounts have at most 0 decimals; -5.5000 has more."]}
    assert balance(yen) == 0


def test_deleting_takes_the_money_back(api, bob, account, spend):
    row = spend(account, "-5.00")

    answer = api(bob).delete(f"transactions/{row.pk}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert balance(account) == 0
    assert api(bob).delete(f"transactions/{row.pk}").status_code == 404


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_half_a_transfer_is_not_written_alone(api, bob, transfer, account, method):
    leg = transfer.transactions.get(account=account)

    arguments = ({"amount": "1.00"},) if method == "patch" else ()
    answer = getattr(api(bob), method)(f"transactions/{leg.pk}", *arguments)

    assert answer.status_code == 409
    assert "transfer" in answer.json()["detail"]
    assert balance(account) == Decimal("-25.00")


@pytest.fixture
def past(account, savings, foreign, payee, spend):
    return {
        "bread": spend(account, "-3.00", description="Rye Bread", category="food", payee=payee, date=date(2026, 1, 5)),
        "rent": spend(account, "-900.00", description="Rent", category="home", date=date(2026, 1, 1)),
        "wage": spend(savings, "2500.00", description="Wage", date=date(2026, 1, 31)),
        "wait": spend(savings, "-3.50", description="bread?", status="pending", date=date(2026, 2, 1)),
        "other": spend(foreign, "-3.00", description="bread", date=date(2026, 1, 5)),
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, "wait wage bread rent"),
        ({"family_id": "{family}"}, "wait wage bread rent"),
        ({"family_id": "{other_family}"}, ""),
        ({"account_id": "{account}"}, "bread rent"),
        ({"account_id": "{foreign}"}, ""),
        ({"status": "pending"}, "wait"),
        ({"payee_id": "{payee}"}, "bread"),
        ({"category": "food"}, "bread"),
        ({"date_from": "2026-01-05", "date_to": "2026-01-31"}, "wage bread"),
        ({"amount_min": "-3.50", "amount_max": "-3.00"}, "wait bread"),
        ({"amount_min": "0"}, "wage"),
        ({"search": "BREAD"}, "wait bread"),
        ({"search": "%"}, ""),
        ({"search": "bread", "account_id": "{savings}"}, "wait"),
        ({"ordering": "amount"}, "rent wait bread wage"),
        ({"ordering": "-amount"}, "wage bread wait rent"),
        ({"ordering": "date"}, "rent bread wage wait"),
    ],
)
def test_a_list_narrows_down(api, bob, past, family, other_family, account, savings, foreign, payee, query, names):
    ids = {
        "family": family.pk,
        "other_family": other_family.pk,
        "account": account.pk,
        "savings": savings.pk,
        "foreign": foreign.pk,
        "payee": payee.pk,
    }

    rows = api(bob).rows("transactions", **{key: value.format(**ids) for key, value in query.items()})

    found = {str(row.pk): name for name, row in past.items()}
    assert " ".join(found[row["id"]] for row in rows) == names


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account_id", "no-uuid"),
        ("status", "gone"),
        ("date_from", "yesterday"),
        ("amount_min", "abc"),
        ("amount_max", "1e30"),
        ("amount_max", "NaN"),
        ("search", "x" * 201),
        ("search", "nul\0"),
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "many"),
        ("limit", "9" * 5000),
        ("ordering", "description"),
        ("ordering", ""),
        ("page", "nonsense"),
        ("acount_id", "x"),
    ],
)
def test_a_wrong_filter_is_refused_and_named(api, bob, name, value, past):
    answer = api(bob).get("transactions", **{name: value})

    assert answer.status_code == 400
    assert list(answer.json()) == [name]


def test_every_list_has_a_cursor_from_before_its_rows(api, bob, account):
    answer = api(bob).get("transactions")

    assert answer["X-Cursor"]
    assert Account.objects.count() == 1
