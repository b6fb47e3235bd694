"""Every endpoint × every demo role: who may, who may not, and who must not even notice."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest
from django.db import transaction

from ledger.models import Account, CreditEntry, Notification, Payee, Rule, Transaction, Transfer
from ledger.services.credits import change

ROLES = ("alice", "adam", "bob", "vera", "charlie", "admin", None)
DONE = "done"
MODELS = (Account, CreditEntry, Notification, Payee, Rule, Transaction, Transfer)

LISTS = ("accounts", "transactions", "transfers", "payees", "rules", "notifications", "credits", "credits/entries")
MEMBERS_SEE = {"alice": 200, "adam": 200, "bob": 200, "vera": 200, "charlie": 404, "admin": 404, None: 401}
MEMBERS_WRITE = {"alice": DONE, "adam": DONE, "bob": DONE, "vera": 403, "charlie": 404, "admin": 404, None: 401}
MANAGERS_WRITE = {**MEMBERS_WRITE, "bob": 403}
OWNER_SEES = {**dict.fromkeys(ROLES, 404), "alice": 200, None: 401}
OWNER_WRITES = {**OWNER_SEES, "alice": DONE}

STATUSES_WHEN_DONE = {"get": (), "post": (200, 201), "patch": (200,), "delete": (204,)}

# method, path, body, who gets what. {names} are ids of fixtures;
TABLE = [
    ("get", "accounts/{account}", None, MEMBERS_SEE),
    ("get", "accounts/{private}", None, OWNER_SEES),
    ("post", "accounts", {"family_id": "{family}", "name": "New", "currency": "EUR"}, MEMBERS_WRITE),
    ("patch", "accounts/{account}", {"name": "Renamed"}, MANAGERS_WRITE),
    ("patch", "accounts/{savings}", {"name": "Renamed"}, MEMBERS_WRITE),  # bob is its owner
    ("patch", "accounts/{private}", {"name": "Renamed"}, OWNER_WRITES),
    ("delete", "accounts/{empty}", None, MANAGERS_WRITE),
    ("delete", "accounts/{private}", None, OWNER_WRITES),
    ("get", "transactions/{bread}", None, MEMBERS_SEE),
    ("get", "transactions/{secret}", None, OWNER_SEES),
    ("post", "transactions", {"account_id": "{account}", "amount": "1.00", "description": "x"}, MEMBERS_WRITE),
    ("post", "transactions", {"account_id": "{private}", "amount": "1.00", "description": "x"}, OWNER_WRITES),
    ("patch", "transactions/{bread}", {"amount": "2.00"}, MEMBERS_WRITE),
    ("patch", "transactions/{secret}", {"amount": "2.00"}, OWNER_WRITES),
    ("patch", "transactions/{bread}", {"account_id": "{private}"}, {**OWNER_WRITES, "vera": 403}),
    ("delete", "transactions/{bread}", None, MEMBERS_WRITE),
    ("delete", "transactions/{secret}", None, OWNER_WRITES),
    ("get", "transfers/{transfer}", None, MEMBERS_SEE),
    ("post", "transfers", {"from_account_id": "{account}", "to_account_id": "{savings}", "amount": "1"}, MEMBERS_WRITE),
    ("post", "transfers", {"from_account_id": "{private}", "to_account_id": "{savings}", "amount": "1"}, OWNER_WRITES),
    ("patch", "transfers/{transfer}", {"amount": "9.00"}, MEMBERS_WRITE),
    ("delete", "transfers/{transfer}", None, MEMBERS_WRITE),
    ("get", "payees/{payee}", None, MEMBERS_SEE),
    ("get", "payees/suggestions?family_id={family}&description=bakery", None, MEMBERS_SEE),
    ("post", "payees", {"family_id": "{family}", "name": "Butcher"}, MEMBERS_WRITE),
    ("patch", "payees/{payee}", {"name": "Butcher"}, MEMBERS_WRITE),
    ("delete", "payees/{payee}", None, MEMBERS_WRITE),
    ("get", "rules/{rule}", None, MEMBERS_SEE),
    ("post", "rules", {"family_id": "{family}", "name": "All", "set_category": "x"}, MEMBERS_WRITE),
    ("patch", "rules/{rule}", {"is_active": False}, MEMBERS_WRITE),
    ("delete", "rules/{rule}", None, MEMBERS_WRITE),
    ("post", "rules/{rule}/run", None, MEMBERS_WRITE),
    ("get", "notifications/{notice}", None, MEMBERS_SEE),
    ("post", "notifications", {"family_id": "{family}", "title": "Hi"}, {**MANAGERS_WRITE, "admin": DONE}),
    (
        "post",
        "notifications",
        {"user_id": "{bob}", "title": "Hi"},
        {**dict.fromkeys(ROLES, 403), "admin": DONE, None: 401},
    ),
    ("post", "notifications", {"title": "Hi"}, {**dict.fromkeys(ROLES, 403), "admin": DONE, None: 401}),
    ("post", "credits", {"amount": "-1.00", "reason": "usage"}, {**dict.fromkeys(ROLES, DONE), None: 401}),
    (
        "post",
        "credits",
        {"amount": "1.00", "reason": "reward"},
        {**dict.fromkeys(ROLES, 403), "admin": DONE, None: 401},
    ),
    (
        "post",
        "credits",
        {"user_id": "{alice}", "amount": "1.00", "reason": "reward"},
        {**dict.fromkeys(ROLES, 404), "alice": 403, "admin": DONE, None: 401},
    ),
]


@pytest.fixture
def ids(people, family, account, savings, private, payee, rule, spend, transfer, notice):
    for user in filter(None, people.values()):
        change(user, Decimal("5.00"), "purchase")
    empty = Account.objects.create(family=family, owner=people["alice"], name="Empty", currency="USD")
    rows = {
        "account": account,
        "savings": savings,
        "private": private,
        "family": family,
        "payee": payee,
        "rule": rule,
        "empty": empty,
        "alice": people["alice"],
        "bob": people["bob"],
        "transfer": transfer,
        "bread": spend(account, "-3.00", description="bread"),
        "secret": spend(private, "-4.00"),
        "notice": notice,
    }
    return {name: str(row.pk) for name, row in rows.items()}


@pytest.fixture
def people(alice, adam, bob, vera, charlie, admin):
    found = {"alice": alice, "adam": adam, "bob": bob, "vera": vera, "charlie": charlie, "admin": admin, None: None}
    assert tuple(found) == ROLES
    return found


def filled(value, ids):
    if isinstance(value, dict):
        return {key: filled(each, ids) for key, each in value.items()}
    return value.format(**ids) if isinstance(value, str) else value


def everything():
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in MODELS}


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"), TABLE, ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_role_gets_what_the_table_says(method, path, body, expected, ids, people, api):
    before = everything()
    got = {}

    for role in ROLES:
        with transaction.atomic():
            send = getattr(api(people[role]), method)
            answer = send(filled(path, ids), **({"body": filled(body, ids)} if body else {}))

            got[role] = DONE if answer.status_code in STATUSES_WHEN_DONE[method] else answer.status_code
            assert got[role] in (DONE, 200) or everything() == before
            assert got[role] != 404 or answer.content == b'{"detail":"Not found."}'
            transaction.set_rollback(True)  # each role finds the ledger as it was

    assert got == expected


@pytest.mark.parametrize("path", [row[1] for row in TABLE if row[0] == "get" and "?" not in row[1]])
def test_unknown_malformed_and_forbidden_answer_byte_alike(path, api, charlie, ids):
    resource = path.partition("/")[0]
    forbidden = path.format(**ids).partition("/")[2]

    answers = [api(charlie).get(f"{resource}/{id}") for id in (forbidden, uuid.uuid4(), "no-uuid", "%00", "1" * 300)]

    assert {(each.status_code, each.content) for each in answers} == {(404, b'{"detail":"Not found."}')}
    assert len({tuple(sorted((key, value) for key, value in each.items())) for each in answers}) == 1


@pytest.mark.parametrize("path", LISTS)
def test_a_stranger_and_staff_see_no_row_of_the_family(path, api, ids_of_family, admin, charlie):
    for user in (charlie, admin):
        answer = api(user).get(path)

        assert answer.status_code == 200
        assert not [id for id in ids_of_family if id in answer.content.decode()]


@pytest.fixture
def ids_of_family(alice, bob, family, account, private, savings, transfer, payee, rule, spend):
    rows = [family, account, private, savings, transfer, payee, rule, spend(account), spend(private), alice, bob]
    return [str(row.pk) for row in rows]


@pytest.mark.parametrize("path", LISTS)
def test_lists_need_a_signed_in_user(path, api, db):
    answer = api(None).get(path)

    assert answer.status_code == 401


def test_nobody_but_the_owner_sees_what_is_on_a_private_account(api, alice, adam, bob, vera, private, account, spend):
    spend(private, "-1.00")
    spend(account, "-2.00")

    seen = {
        user.username: sorted(row["amount"] for row in api(user).rows("transactions"))
        for user in (alice, adam, bob, vera)
    }

    assert seen == {"alice": ["-1.00", "-2.00"], "adam": ["-2.00"], "bob": ["-2.00"], "vera": ["-2.00"]}


def test_a_private_account_is_read_by_whom_it_is_shared_with_even_from_another_family(
    api, alice, charlie, private, spend
):
    spend(private, "-1.00")
    api(alice).patch(f"accounts/{private.pk}", {"shared_with": [str(charlie.pk)]})

    assert [row["amount"] for row in api(charlie).rows("transactions")] == ["-1.00"]
    assert api(charlie).get(f"accounts/{private.pk}").status_code == 200
    answer = api(charlie).post("transactions", {"account_id": str(private.pk), "amount": "1.00", "description": "x"})
    assert answer.status_code == 403
