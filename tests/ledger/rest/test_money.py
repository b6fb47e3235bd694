"""Money goes in as text or as a JSON number and comes out as text, without a binary float on the way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from ledger.api.fields import MoneyField
from ledger.api.parsers import MAX_BODY_BYTES, ExactJSONParser
from ledger.models import Balance, Transaction


class Stream:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def read(self, size: int) -> bytes:
        return self.body[:size]


def parse(text):
    return ExactJSONParser().parse(Stream(text.encode()))


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_a_json_number_arrives_digit_by_digit(amount):
    number = parse(f'{{"amount": {amount:f}}}')["amount"]

    assert str(number) == f"{amount:f}"
    assert not isinstance(number, float)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ('"0.10"', "0.10"),
        ("0.10", "0.10"),
        ("-0.1", "-0.10"),
        ("7", "7.00"),
        ("1e2", "100.00"),
        ('"+5"', "5.00"),
        ("9007199254740993", None),
        ("1" * 19, None),
        ("9007199254740.93", "9007199254740.93"),
        ('"9999999999999.99"', "9999999999999.99"),
        ("1.005", None),
        ("1.0050", None),
        ('"1,50"', None),
        ('"0x10"', None),
        ('"1_000"', None),
        ('"1e2"', None),
        ('"１.00"', None),
        ('".5"', None),
        ('" 5.00 "', "5.00"),
    ],
)
def test_an_amount_is_kept_exactly_or_refused(api, bob, account, written, stored):
    text = f'{{"account_id": "{account.pk}", "amount": {written}, "description": "x"}}'

    answer = api(bob).raw("transactions", text)

    if stored is None:
        assert answer.status_code == 400
        assert list(answer.json()) == ["amount"]
        assert not Transaction.objects.exists()
    else:
        assert answer.json()["amount"] == stored
        assert f'"amount":"{stored}"' in answer.content.decode()
        assert Balance.objects.get(account=account).balance == Decimal(stored)


@pytest.mark.parametrize(
    ("currency", "amount", "written"),
    [("USD", "12.5", "12.50"), ("JPY", "1200", "1200"), ("KWD", "1.5", "1.500"), ("CLF", "1.5", "1.5000")],
)
def test_an_amount_has_the_decimals_of_its_currency(api, bob, family, open_account, currency, amount, written):
    account = open_account(family, bob, "Abroad", currency=currency)

    answer = api(bob).post("transactions", {"account_id": str(account.pk), "amount": amount, "description": ""})

    assert (answer.json()["amount"], answer.json()["currency"]) == (written, currency)
    shown = api(bob).get(f"accounts/{account.pk}").json()
    assert (shown["balance"], shown["available_balance"]) == (written, written)


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "1.5"), ("KWD", "1.2345"), ("USD", "0.001")])
def test_an_amount_that_the_currency_cannot_express_is_not_rounded(api, bob, family, open_account, currency, amount):
    account = open_account(family, bob, "Abroad", currency=currency)

    answer = api(bob).post("transactions", {"account_id": str(account.pk), "amount": amount, "description": ""})

    assert answer.status_code == 400
    assert f"{currency} amounts have at most" in answer.json()["amount"][0]


def test_many_cents_add_up(api, bob, account):
    for _ in range(10):
        api(bob).raw("transactions", f'{{"account_id": "{account.pk}", "amount": 0.1, "description": "x"}}')

    assert api(bob).get(f"accounts/{account.pk}").json()["balance"] == "1.00"


def test_an_amount_never_was_a_float():
    with pytest.raises(Exception, match="decimal number as a string"):
        MoneyField().run_validation(0.1)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "does not parse"),
        ("{", "brackets do not close|does not parse"),
        ('{"amount": NaN}', "NaN is no number"),
        ('{"amount": -Infinity}', "-Infinity is no number"),
        ('{"amount": "1.00", "amount": "2.00"}', "same key twice"),
        ('{"a": {"b": 1, "b": 2}}', "same key twice"),
        ("[" * 30_000, "nested deeper than 8"),
        ('{"amount": 1e99999999999999999999}', "too large"),
        ('{"amount": ' + "1" * 5000 + "}", "does not parse"),
        ('{"\\ud800": 1}', "not Unicode"),
        ('{"a": 1.5, "b": "\\udc00"}', "not Unicode"),
    ],
)
def test_json_whose_meaning_is_in_doubt_is_refused(text, word):
    with pytest.raises(ParseError, match=word):
        parse(text)


def test_a_body_that_is_not_utf_8_is_refused(api, bob):
    answer = api(bob).raw("transactions", b'{"description": "\xff"}')

    assert answer.status_code == 400
    assert "not Unicode" in answer.json()["detail"]


def test_a_body_is_bounded(api, bob):
    answer = api(bob).raw("transactions", '{"description": "' + "x" * MAX_BODY_BYTES + '"}')

    assert answer.status_code == 413


def test_only_json_is_taken(api, bob, account):
    answer = api(bob).client.post("/api/v1/transactions", {"amount": "1.00"}, format="multipart")

    assert answer.status_code == 415
