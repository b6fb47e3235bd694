"""What the pages carry before their script runs: the rows, the rights, and a cursor that is older than both."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Family, User
from ledger.models import Account, Rule, RuleRun, Transaction
from ledger.pages import MOST_TRANSACTIONS
from ledger.services.credits import change as change_credit
from realtime.protocol.cursor import Cursor

PATHS = ("/", "/data", "/credits", "/credits/data")


@pytest.fixture
def account(family: Family, alice: User) -> Account:
    account: Account = Account.objects.create(
        family=family, owner=alice, name="Everyday", currency="EUR", number="DE0012345678"
    )
    Transaction.objects.create(account=account, created_by=alice, amount="-12.50", description="</script><b>")
    return account


def test_who_is_not_signed_in_is_sent_to_the_sign_in_and_back(client: Client, db: None) -> None:
    response = client.get("/")

    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/")


def test_the_data_of_the_page_is_refused_in_words_a_script_can_read(client: Client, db: None) -> None:
    response = client.get("/data")

    assert response.status_code == 401
    assert response.json()["code"] == "unauthenticated"


def test_the_page_carries_the_rows_a_member_sees(client: Client, bob: User, account: Account) -> None:
    client.force_login(bob)

    page = _page(client)

    assert page["user"] == {"id": str(bob.pk), "name": "bob"}
    assert [(each["name"], each["balance"], each["number"]) for each in page["accounts"]] == [
        ("Everyday", "-12.50", "••••5678")
    ]
    assert [(each["amount"], each["description"]) for each in page["transactions"]] == [("-12.50", "</script><b>")]
    [family] = page["families"]
    members = family.pop("members")
    assert family == {"id": str(account.family_id), "name": "Smith", "role": "member", "may_write": True}
    assert [(member["name"], member["role"]) for member in members] == [
        ("alice", "owner"),
        ("bob", "member"),
        ("vera", "viewer"),
    ]
    assert page["credit"]["balance"] == "0.00"


def test_the_page_and_its_data_say_the_same(client: Client, bob: User, account: Account) -> None:
    client.force_login(bob)

    assert client.get("/data").json() == _page(client)


def test_a_viewer_may_not_write(client: Client, vera: User, account: Account) -> None:
    client.force_login(vera)

    assert [family["may_write"] for family in _page(client)["families"]] == [False]


def test_a_stranger_sees_nothing_of_the_family(client: Client, charlie: User, account: Account) -> None:
    client.force_login(charlie)

    page = _page(client)

    assert (page["families"], page["accounts"], page["transactions"], page["payees"]) == ([], [], [], [])


@pytest.mark.django_db(transaction=True)  # who sees an account is changed in a transaction of its own
def test_a_private_account_is_on_its_owners_page_alone(
    client: Client, alice: User, bob: User, account: Account
) -> None:
    Account.objects.filter(pk=account.pk).update(is_private=True)
    seen = {}
    for user in (alice, bob):
        client.force_login(user)
        seen[user.username] = len(_page(client)["accounts"]), len(_page(client)["transactions"])

    assert seen == {"alice": (1, 1), "bob": (0, 0)}


def test_the_newest_hundred_are_shown_by_date_and_then_by_age(client: Client, bob: User, account: Account) -> None:
    Transaction.objects.bulk_create(
        Transaction(account=account, amount="1", date=f"2026-01-{day:02}", description=f"{day}.{number}")
        for number in range(10)
        for day in range(1, 16)
    )
    Transaction.objects.filter(description="</script><b>").update(date="2025-01-01")
    client.force_login(bob)

    shown = [each["description"] for each in _page(client)["transactions"]]

    assert len(shown) == MOST_TRANSACTIONS
    assert shown[:11] == [*(f"15.{number}" for number in reversed(range(10))), "14.9"]


def test_the_cursor_is_read_before_the_first_row(client: Client, bob: User, account: Account) -> None:
    client.force_login(bob)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = client.get("/data").json()

    tables = [match[1] for each in queries if (match := re.search(r'FROM "?((?:realtime|ledger)_\w+)', each["sql"]))]
    assert tables[0].startswith("realtime_")
    assert "ledger_account" in tables[1:]
    assert Cursor.parse(page["cursor"]).encode() == page["cursor"]


def test_how_many_queries_a_page_takes_does_not_grow_with_its_rows(client: Client, bob: User, account: Account) -> None:
    client.force_login(bob)
    _queries(client)  # the first of all also opens the log
    few = _queries(client)
    for number in range(3):
        other = Account.objects.create(
            family=account.family, owner=account.owner, name=f"Account {number}", currency="EUR"
        )
        Transaction.objects.create(account=other, created_by=bob, amount="1")

    assert _queries(client) == few


def test_a_rule_is_carried_with_what_it_did_last_for_this_user(
    client: Client, alice: User, bob: User, account: Account
) -> None:
    rule = Rule.objects.create(family=account.family, name="Food", description_contains="bread", set_category="food")
    for user, description in [(alice, "Bread"), (alice, "More bread"), (bob, "Milk")]:
        Transaction.objects.create(account=account, created_by=user, amount="-1", description=description)
    seen = {}
    for user in (alice, bob):
        client.force_login(user)
        [seen[user.username]] = _page(client)["rules"]

    assert [each["id"] for each in seen.values()] == [str(rule.pk)] * 2
    assert seen["bob"]["last_run"] is None
    last = seen["alice"]["last_run"]
    assert (last["matched_count"], last["changed_count"], last["run_id"]) == (
        1,
        1,
        str(RuleRun.objects.latest("pk").pk),
    )


def test_the_credits_page_and_its_data_carry_the_users_own_entries_newest_first(
    client: Client, alice: User, bob: User
) -> None:
    change_credit(alice, Decimal(10), "purchase")
    change_credit(alice, Decimal("-2.50"), "usage", {"feature": "report"})
    change_credit(bob, Decimal(99), "reward")
    client.force_login(alice)

    page = _page(client, "/credits")

    assert page["credit"]["balance"] == "7.50"
    assert [(each["change"], each["balance_after"], each["metadata"]) for each in page["entries"]] == [
        ("-2.50", "7.50", {"feature": "report"}),
        ("10.00", "10.00", {}),
    ]
    assert client.get("/credits/data").json() == page


def test_the_credits_page_is_for_who_is_signed_in(client: Client, db: None) -> None:
    assert client.get("/credits")["Location"] == "/accounts/login/?next=/credits"
    assert client.get("/credits/data").status_code == 401


def test_a_page_is_in_the_language_that_was_chosen_else_in_the_one_the_browser_asks_for(
    client: Client, bob: User, account: Account
) -> None:
    client.force_login(bob)
    asked = client.get("/", headers={"accept-language": "zh-CN,zh;q=0.9"}).content.decode()

    answer = client.post("/language", {"language": "en", "next": "/credits"}, headers={"accept-language": "zh-CN"})
    chosen = client.get("/", headers={"accept-language": "zh-CN,zh;q=0.9"}).content.decode()

    assert '<html lang="zh-hans">' in asked
    assert "账户" in asked
    assert (answer.status_code, answer["Location"]) == (302, "/credits")
    assert '<html lang="en">' in chosen
    assert "账户" not in chosen


def test_the_choice_of_a_language_leads_to_no_other_site(client: Client, db: None) -> None:
    answer = client.post("/language", {"language": "en", "next": "https://elsewhere.example/"})

    assert answer["Location"] == "/"
    cookie = answer.cookies["django_language"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_what_rest_refuses_is_said_in_the_language_the_client_asks_for(
    client: Client, bob: User, account: Account
) -> None:
    client.force_login(bob)
    body = {"account_id": str(account.pk), "amount": "0"}

    answers = [
        client.post("/api/v1/transactions", body, "application/json", headers={"accept-language": language}).json()
        for language in ("en", "zh-Hans")
    ]

    assert [answer["amount"] for answer in answers] == [["Give an amount that is not zero."], ["金额不能为零。"]]


def test_pages_are_kept_by_no_cache(client: Client, bob: User, account: Account) -> None:
    client.force_login(bob)

    assert ["no-store" in client.get(path)["Cache-Control"] for path in PATHS] == [True] * 4


def test_no_page_holds_a_script_or_a_style_of_its_own(client: Client, bob: User, account: Account) -> None:
    sign_in = client.get("/accounts/login/").content.decode()
    client.force_login(bob)
    ledger, credits = (client.get(path).content.decode() for path in ("/", "/credits"))

    for page in (sign_in, ledger, credits):
        assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page) == []
        assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", page))


def _page(client: Client, path: str = "/") -> dict[str, Any]:
    html = client.get(path).content.decode()
    found = re.search(r'<script id="page-data" type="application/json">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def _queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        client.get("/data")
    return len(queries)
