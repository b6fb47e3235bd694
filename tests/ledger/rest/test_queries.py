"""How many questions an endpoint asks the database: the same for one row as for forty."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from ledger.models import Account, Payee, Rule, Transaction
from ledger.services import notices
from ledger.services.credits import change
from realtime.log import present_cursor

SIGNED_IN, CURSOR, ROWS = 1, 1, 1
LISTS = {
    "accounts": SIGNED_IN + CURSOR + ROWS + 1,  # and whom they are shared with
    "transactions": SIGNED_IN + CURSOR + ROWS,
    "transfers": SIGNED_IN + CURSOR + ROWS,
    "payees": SIGNED_IN + CURSOR + ROWS,
    "rules": SIGNED_IN + CURSOR + ROWS,
    "notifications": SIGNED_IN + CURSOR + ROWS,
    "credits/entries": SIGNED_IN + CURSOR + ROWS,
    "credits": SIGNED_IN + CURSOR + ROWS,
    "/api/credits/balance/poll": SIGNED_IN + CURSOR + ROWS,
}


@pytest.fixture(autouse=True)
def the_log_has_begun(db):
    """The first question ever for a cursor also writes the row that holds it."""
    present_cursor()


@pytest.fixture
def fill(family, alice, bob, account, savings):
    def fill(count):
        users = [User(username=f"u{n}-{count}") for n in range(count)]
        User.objects.bulk_create(users)
        for n, user in enumerate(users):
            other = Account.objects.create(family=family, owner=alice, name=f"A{n}", currency="EUR")
            other.shares.create(user=user)
            payee = Payee.objects.create(family=family, name=f"P{n}-{count}")
            Transaction.objects.create(account=other, amount=1, payee=payee, created_by=user)
            Rule.objects.create(family=family, name=f"R{n}", account=other, set_payee=payee, created_by=user)
            notices.send(f"N{n}", family=family, created_by=user)
            change(bob, Decimal(1), "reward")

    return fill


@pytest.mark.parametrize("path", LISTS)
def test_a_list_asks_as_much_for_many_rows_as_for_one(api, bob, fill, path, transfer):
    client = api(bob)

    asked = []
    for count in (1, 12):
        fill(count)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        asked.append([query["sql"] for query in queries])

    assert [len(each) for each in asked] == [LISTS[path]] * 2, asked
    assert "loghead" in asked[0][1]  # the cursor comes before the rows


@pytest.mark.parametrize("path", ["accounts/{account}", "transactions/{leg}", "transfers/{transfer}"])
def test_one_row_asks_as_much_as_a_list(api, bob, account, transfer, path):
    ids = {"account": account.pk, "transfer": transfer.pk, "leg": transfer.transactions.get(account=account).pk}

    client = api(bob)

    with CaptureQueriesContext(connection) as queries:
        assert client.get(path.format(**ids)).status_code == 200

    assert len(queries) == LISTS[path.partition("/")[0]]


def test_reads_open_no_transaction(api, bob, account):
    client = api(bob)

    with CaptureQueriesContext(connection) as queries:
        client.get("transactions")

    assert not [query["sql"] for query in queries if "SAVEPOINT" in query["sql"] or "BEGIN" in query["sql"]]


def test_writing_a_transaction_asks_little_more_than_saving_it(api, bob, account):
    client = api(bob)
    body = {"account_id": str(account.pk), "amount": "-1.00", "description": ""}
    with CaptureQueriesContext(connection) as saved:
        Transaction.objects.create(account=account, amount=-1, created_by=bob)

    with CaptureQueriesContext(connection) as posted:
        assert client.post("transactions", body).status_code == 201

    # Who asks; the right to write and the account, each of which is held and then looked at; and two savepoints of two
    # queries each, of which saving has one.
    assert len(posted) - len(saved) <= 8
