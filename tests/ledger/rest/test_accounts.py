"""Accounts over REST: numbers, sharing, privacy."""

from __future__ import annotations

import uuid

import pytest

from ledger.models import Account

FULL, MASKED = "DE89370400440532013000", "••••3000"


def opening(family, **fields):
    return {"family_id": str(family.pk), "name": "New", "currency": "EUR", **fields}


def test_an_account_is_opened_by_its_owner(api, bob, family):
    answer = api(bob).post("accounts", opening(family, number=FULL, type="savings"))

    assert answer.status_code == 201
    made = Account.objects.get()
    assert answer.json() == {
        "id": str(made.pk),
        "family_id": str(family.pk),
        "owner_id": str(bob.pk),
        "name": "New",
        "type": "savings",
        "currency": "EUR",
        "number": FULL,
        "is_private": False,
        "shared_with": [],
        "balance": "0.00",
        "available_balance": "0.00",
        "version": 1,
    }


@pytest.mark.parametrize(
    ("role", "checking", "savings_"),
    [("alice", FULL, FULL), ("adam", FULL, FULL), ("bob", MASKED, FULL), ("vera", MASKED, MASKED)],
)
def test_a_number_is_shown_in_full_to_the_owner_and_who_manages_the_family(
    request, api, adam, account, savings, role, checking, savings_
):
    client = api(request.getfixturevalue(role))

    listed = {row["name"]: row["number"] for row in client.rows("accounts")}

    assert listed == {"Checking": checking, "Savings": savings_}
    assert client.get(f"accounts/{account.pk}").json()["number"] == checking
    assert client.get(f"accounts/{savings.pk}").json()["number"] == savings_


def test_whom_an_account_is_shared_with_sees_its_number_masked(api, alice, charlie, private):
    api(alice).patch(f"accounts/{private.pk}", {"shared_with": [str(charlie.pk)]})

    assert api(charlie).get(f"accounts/{private.pk}").json()["number"] == MASKED
    assert [row["number"] for row in api(charlie).rows("accounts")] == [MASKED]


def test_an_owner_who_left_the_family_sees_nothing(api, bob, family, savings):
    family.memberships.get(user=bob).delete()

    assert api(bob).get(f"accounts/{savings.pk}").status_code == 404
    assert api(bob).rows("accounts") == []


def test_sharing_says_who_all_may_see(api, alice, bob, charlie, private):
    client = api(alice)
    client.patch(f"accounts/{private.pk}", {"shared_with": [str(bob.pk)]})

    answer = client.patch(f"accounts/{private.pk}", {"shared_with": [str(charlie.pk)]})

    assert answer.json()["shared_with"] == [str(charlie.pk)]
    assert api(bob).get(f"accounts/{private.pk}").status_code == 404
    assert api(charlie).get(f"accounts/{private.pk}").status_code == 200


def test_the_answer_has_the_version_that_others_are_told(api, alice, bob, private):
    answer = api(alice).patch(f"accounts/{private.pk}", {"name": "Renamed", "shared_with": [str(bob.pk)]})

    assert answer.json()["version"] == Account.objects.get(pk=private.pk).version


@pytest.mark.parametrize("people", ["unknown", "inactive"])
def test_who_cannot_be_shared_with_is_refused_alike(api, alice, charlie, private, people):
    charlie.is_active = False
    charlie.save()
    id = {"unknown": uuid.uuid4(), "inactive": charlie.pk}[people]

    answer = api(alice).patch(f"accounts/{private.pk}", {"shared_with": [str(id)]})

    assert (answer.status_code, answer.json()) == (400, {"shared_with": ["Give ids of active users, each once."]})
    assert not private.shares.exists()


def test_a_handed_over_private_account_leaves_the_givers_sight(api, alice, bob, private):
    answer = api(alice).patch(f"accounts/{private.pk}", {"owner_id": str(bob.pk)})

    assert (answer.status_code, answer.json()["owner_id"]) == (200, str(bob.pk))
    assert answer.json()["number"] == MASKED
    assert api(alice).get(f"accounts/{private.pk}").status_code == 404
    assert api(bob).get(f"accounts/{private.pk}").json()["number"] == FULL


def test_an_account_is_not_handed_to_a_stranger(api, alice, charlie, account):
    answer = api(alice).patch(f"accounts/{account.pk}", {"owner_id": str(charlie.pk)})

    assert answer.status_code == 400
    assert answer.json() == {"owner_id": ["Give the id of an active member of the family."]}


@pytest.mark.django_db(transaction=True)  # each request is a transaction of its own, as it is for users
def test_an_account_made_private_leaves_the_familys_sight(api, alice, bob, account, spend):
    row = spend(account)

    api(alice).patch(f"accounts/{account.pk}", {"is_private": True})

    assert api(bob).get(f"accounts/{account.pk}").status_code == 404
    assert api(bob).get(f"transactions/{row.pk}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"currency": "XXX"}, "currency"),
        ({"currency": "usd"}, "currency"),
        ({"currency": "EURO"}, "currency"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"type": "sock"}, "type"),
        ({"number": "1" * 35}, "number"),
        ({"is_private": "perhaps"}, "is_private"),
        ({"shared_with": "alice"}, "shared_with"),
        ({"shared_with": [str(uuid.uuid4())] * 51}, "shared_with"),
        ({"balance": "1000000.00"}, "balance"),
    ],
)
def test_wrong_input_is_named_and_nothing_happens(api, bob, family, fields, name):
    answer = api(bob).post("accounts", opening(family, **fields))

    assert answer.status_code == 400
    assert list(answer.json()) == [name]
    assert not Account.objects.exists()


@pytest.mark.parametrize("fields", [{"currency": "EUR"}, {"family_id": str(uuid.uuid4())}, {"balance": "1.00"}])
def test_what_is_fixed_is_refused_rather_than_ignored(api, alice, account, fields):
    answer = api(alice).patch(f"accounts/{account.pk}", fields)

    assert answer.status_code == 400
    assert list(answer.json()) == list(fields)


def test_an_account_with_transfers_is_kept(api, alice, account, transfer):
    answer = api(alice).delete(f"accounts/{account.pk}")

    assert (answer.status_code, answer.json()) == (
        409,
        {"detail": "Others refer to it: delete or change those first."},
    )
    assert Account.objects.filter(pk=account.pk).exists()


def test_an_account_goes_with_its_transactions(api, alice, account, spend):
    spend(account)

    assert api(alice).delete(f"accounts/{account.pk}").status_code == 204
    assert api(alice).rows("transactions") == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["Checking", "Savings", "Secret"]),
        ({"ordering": "-name"}, ["Secret", "Savings", "Checking"]),
        ({"type": "savings"}, ["Savings"]),
        ({"is_private": "true"}, ["Secret"]),
        ({"currency": "EUR"}, []),
        ({"owner_id": "{bob}"}, ["Savings"]),
        ({"family_id": "{family}", "is_private": "false"}, ["Checking", "Savings"]),
    ],
)
def test_a_list_narrows_down(api, alice, bob, family, account, savings, private, query, names):
    ids = {"bob": bob.pk, "family": family.pk}

    rows = api(alice).rows("accounts", **{key: value.format(**ids) for key, value in query.items()})

    assert [row["name"] for row in rows] == names
