"""Pages of a list, while others add and remove rows."""

from __future__ import annotations

from datetime import date
from itertools import chain

import pytest

from ledger.api.paging import MAX_LIMIT, Place
from ledger.models import Account, Transaction

DAY = date(2026, 1, 5)


@pytest.fixture
def nine(account, spend):
    return [spend(account, f"-{n}.00", date=DAY) for n in range(1, 10)]


def amounts(page):
    return [row["amount"] for row in page["results"]]


def walked(client, answer, direction="next"):
    """The amounts of each page from here on."""
    pages = [amounts(answer)]
    while answer[direction] is not None:
        answer = client.get(answer[direction]).json()
        pages.append(amounts(answer))
    return pages, answer


def test_pages_hold_every_row_once_in_order(api, bob, nine):
    client = api(bob)

    pages, _ = walked(client, client.get("transactions", limit=4).json())

    assert pages == [
        ["-9.00", "-8.00", "-7.00", "-6.00"],
        ["-5.00", "-4.00", "-3.00", "-2.00"],
        ["-1.00"],
    ]


def test_pages_lead_back_the_same_way(api, bob, nine):
    client = api(bob)
    _, last = walked(client, client.get("transactions", limit=4).json())

    pages, first = walked(client, last, "previous")

    assert pages == [["-1.00"], ["-5.00", "-4.00", "-3.00", "-2.00"], ["-9.00", "-8.00", "-7.00", "-6.00"]]
    assert first["previous"] is None
    assert amounts(client.get(first["next"]).json()) == ["-5.00", "-4.00", "-3.00", "-2.00"]


def test_rows_added_meanwhile_with_the_same_date_shift_nothing(api, bob, account, nine, spend):
    client = api(bob)
    first = client.get("transactions", limit=4).json()
    for n in (10, 11, 12):
        spend(account, f"-{n}.00", date=DAY)

    pages, _ = walked(client, client.get(first["next"]).json())

    assert pages == [["-5.00", "-4.00", "-3.00", "-2.00"], ["-1.00"]]


def test_rows_removed_meanwhile_skip_nothing(api, bob, nine):
    client = api(bob)
    first = client.get("transactions", limit=4).json()
    Transaction.objects.filter(pk__in=[nine[8].pk, nine[5].pk]).delete()  # -9.00, and -6.00, where the page ends

    pages, _ = walked(client, client.get(first["next"]).json())

    assert pages == [["-5.00", "-4.00", "-3.00", "-2.00"], ["-1.00"]]


@pytest.mark.parametrize("ordering", ["-date", "date", "created_at", "-updated_at", "amount", "-amount"])
def test_every_ordering_pages_without_loss(api, bob, account, spend, ordering):
    for n in (3, 1, 2, 2, 3, 1, 2):
        spend(account, f"-{n}.50", date=DAY.replace(day=n))
    client = api(bob)
    whole = amounts(client.get("transactions", ordering=ordering).json())

    pages, _ = walked(client, client.get("transactions", ordering=ordering, limit=2).json())

    assert list(chain(*pages)) == whole
    assert len(whole) == 7


def test_an_empty_list_has_no_other_pages(api, bob, account):
    assert api(bob).get("transactions").json() == {"next": None, "previous": None, "results": []}


def test_a_page_is_bounded(api, bob, account):
    Transaction.objects.bulk_create(Transaction(account=account, amount=n) for n in range(1, MAX_LIMIT + 2))

    assert len(api(bob).rows("transactions")) == 50
    assert len(api(bob).rows("transactions", limit="100000")) == MAX_LIMIT


def test_a_page_of_another_ordering_is_refused(api, bob, nine):
    following = api(bob).get("transactions", limit=2).json()["next"]

    answer = api(bob).get(f"{following}&ordering=amount")

    assert answer.status_code == 400
    assert answer.json() == {"page": ["This page belongs to ordering=-date. Give both as `next` had them."]}


@pytest.mark.parametrize("text", ["", "%%%", "nonsense:signature", "A" * 5000, "\0"])
def test_a_forged_page_is_refused(api, bob, nine, text):
    answer = api(bob).get("transactions", page=text)

    assert answer.status_code == 400
    assert list(answer.json()) == ["page"]


def test_a_page_of_another_list_is_refused(api, bob, account, savings, payee):
    page = Place("name", False, "Checking", str(account.pk)).encode(Account)

    assert api(bob).get("accounts", page=page).status_code == 200
    assert api(bob).get("payees", page=page).status_code == 400


def test_the_longest_name_has_a_page(api, bob, family, open_account):
    for n in range(3):
        open_account(family, bob, chr(0x1F4B6) * 99 + str(n))
    client = api(bob)

    answer = client.get(client.get("accounts", limit=1).json()["next"])

    assert [row["name"][-1] for row in answer.json()["results"]] == ["1"]
