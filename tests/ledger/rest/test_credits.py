"""Credits over REST, and the balance for clients that poll."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts import authentication
from ledger.api.polling import MOVING
from ledger.models import CreditBalance, CreditEntry
from ledger.models.guarded import unguarded
from ledger.services.credits import change
from realtime.conf import conf

POLL = "/api/credits/balance/poll"


@pytest.fixture
def rich(bob):
    """Bob, with 10.00."""
    change(bob, Decimal("10.00"), "purchase")
    return bob


def test_who_never_had_credit_has_none(api, bob):
    assert api(bob).get("credits").json() == {
        "user_id": str(bob.pk),
        "balance": "0.00",
        "version": 0,
        "updated_at": api(bob).get("credits").json()["updated_at"],
    }


def test_a_user_uses_their_own(api, rich):
    answer = api(rich).raw("credits", '{"amount": -2.5, "reason": "usage", "metadata": {"job": 7, "price": 0.10}}')

    assert answer.status_code == 201
    entry = CreditEntry.objects.latest("created_at")
    assert answer.json() == {
        "id": str(entry.pk),
        "user_id": str(rich.pk),
        "change": "-2.50",
        "balance_after": "7.50",
        "reason": "usage",
        "metadata": {"job": 7, "price": "0.10"},
        "created_at": answer.json()["created_at"],
    }
    assert api(rich).get("credits").json()["balance"] == "7.50"


def test_text_about_null_characters_holds_none(api, rich):
    about = {"pattern": "\\u0000 and \\\\u0000"}

    answer = api(rich).post("credits", {"amount": "-1.00", "reason": "usage", "metadata": about})

    assert answer.status_code == 201
    assert answer.json()["metadata"] == about


def test_staff_gives_credit_to_anyone(api, admin, bob):
    answer = api(admin).post("credits", {"user_id": str(bob.pk), "amount": "5.00", "reason": "reward"})

    assert (answer.status_code, answer.json()["balance_after"]) == (201, "5.00")
    assert api(bob).get("credits").json()["balance"] == "5.00"


def test_credit_is_never_below_zero(api, rich):
    answer = api(rich).post("credits", {"amount": "-10.01", "reason": "usage"})

    assert answer.status_code == 409
    assert answer.json() == {"detail": "Credit is 10.00; 10.01 cannot be taken from it."}
    assert api(rich).get("credits").json()["balance"] == "10.00"


def test_usage_does_not_add(api, admin, rich):
    for user in (rich, admin):
        answer = api(user).post("credits", {"amount": "5.00", "reason": "usage"})

        assert answer.status_code == 400
        assert answer.json() == {"amount": ["Give an amount below zero: usage takes credit away."]}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"reason": "usage"}, "amount"),
        ({"amount": "-1.00"}, "reason"),
        ({"amount": "-1.001", "reason": "usage"}, "amount"),
        ({"amount": "0", "reason": "usage"}, "amount"),
        ({"amount": "-1.00", "reason": "theft"}, "reason"),
        ({"amount": "-1.00", "reason": "usage", "metadata": [1]}, "metadata"),
        ({"amount": "-1.00", "reason": "usage", "metadata": {"x": "y" * 5000}}, "metadata"),
        ({"amount": "-1.00", "reason": "usage", "metadata": {"x": ["nul\0"]}}, "metadata"),
        ({"amount": "-1.00", "reason": "usage", "balance": "5"}, "balance"),
    ],
)
def test_wrong_input_is_named_and_nothing_happens(api, rich, body, name):
    answer = api(rich).post("credits", body)

    assert answer.status_code == 400
    assert list(answer.json()) == [name]
    assert api(rich).get("credits").json()["balance"] == "10.00"


def test_an_unknown_user_and_somebody_else_answer_byte_alike(api, rich, alice):
    bodies = [{"user_id": str(id), "amount": "-1.00", "reason": "usage"} for id in (alice.pk, uuid.uuid4())]

    answers = [api(rich).post("credits", body) for body in bodies]

    assert {(each.status_code, each.content) for each in answers} == {(404, b'{"detail":"Not found."}')}


def test_entries_are_the_users_own_newest_first(api, rich, alice):
    change(alice, Decimal("99.00"), "reward")
    change(rich, Decimal("-1.00"), "usage")

    rows = api(rich).rows("credits/entries")

    assert [(row["change"], row["balance_after"], row["reason"]) for row in rows] == [
        ("-1.00", "9.00", "usage"),
        ("10.00", "10.00", "purchase"),
    ]
    assert [row["reason"] for row in api(rich).rows("credits/entries", reason="usage")] == ["usage"]


def test_a_poll_tells_balance_place_and_pace(api, rich):
    answer = api(rich).get(POLL)

    assert answer.status_code == 200
    assert answer.json() == {
        "balance": "10.00",
        "updated_at": answer.json()["updated_at"],
        "version": 1,
        "cursor": answer["X-Cursor"],
        "poll_interval_ms": conf.POLL_INTERVAL,
    }
    assert answer["ETag"]
    assert answer["Cache-Control"] == "private, no-cache"


def test_an_unchanged_balance_is_not_sent_again(api, rich):
    etag = api(rich).get(POLL)["ETag"]

    answer = api(rich).client.get(POLL, headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)
    assert answer["X-Cursor"]
    assert answer["X-Poll-Interval-Ms"] == str(conf.POLL_INTERVAL)


def test_a_changed_balance_is_sent_whatever_the_client_holds(api, rich):
    etag = api(rich).get(POLL)["ETag"]
    change(rich, Decimal("-1.00"), "usage")
    change(rich, Decimal("1.00"), "refund")

    answer = api(rich).client.get(POLL, headers={"If-None-Match": etag})

    assert (answer.status_code, answer.json()["balance"], answer.json()["version"]) == (200, "10.00", 3)


def test_an_etag_is_one_users_own(api, alice, bob):
    for user in (alice, bob):
        change(user, Decimal("10.00"), "purchase")

    answer = api(bob).client.get(POLL, headers={"If-None-Match": api(alice).get(POLL)["ETag"]})

    assert answer.status_code == 200


def test_a_quiet_balance_is_polled_less_often(api, rich):
    long_ago = timezone.now() - MOVING - timedelta(seconds=1)
    unguarded(CreditBalance, "default").filter(user=rich).update(updated_at=long_ago)

    assert api(rich).get(POLL).json()["poll_interval_ms"] == conf.POLL_INTERVAL_QUIET


def test_a_poll_needs_a_credential_and_takes_those_of_the_transports(api, rich, client):
    token = str(authentication.issue(rich).access_token)

    assert api(None).get(POLL).status_code == 401
    assert api(None).get(POLL, token=token).json()["balance"] == "10.00"
    client.force_login(rich)
    assert client.get(POLL, headers={"Sec-Fetch-Site": "same-origin"}).json()["balance"] == "10.00"
