from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import AmountRefused
from ledger.money import DECIMALS, check_amount, check_credit, format_credit, format_money


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1000", "EUR", "1000.00"),
        ("-12.5000", "EUR", "-12.50"),
        ("-0.00", "EUR", "0.00"),
        ("1500", "JPY", "1500"),
        ("1.5", "BHD", "1.500"),
        ("1E+3", "EUR", "1000.00"),
        ("9999999999999.99", "EUR", "9999999999999.99"),
    ],
)
def test_money_is_written_with_exactly_the_decimals_of_its_currency(amount: str, currency: str, text: str) -> None:
    assert format_money(Decimal(amount), currency) == text


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("0.001", "EUR"),
        ("0.5", "JPY"),
        ("1.0001", "BHD"),
        ("10000000000000.00", "EUR"),
        ("NaN", "EUR"),
        ("-Infinity", "EUR"),
    ],
)
def test_an_amount_the_currency_cannot_express_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(AmountRefused):
        check_amount(Decimal(amount), currency)


def test_a_currency_that_is_none_is_refused() -> None:
    with pytest.raises(AmountRefused, match="'EUX' is no ISO 4217 code"):
        check_amount(Decimal(1), "EUX")


def test_credit_has_two_decimals() -> None:
    assert format_credit(Decimal("12.5")) == "12.50"
    with pytest.raises(AmountRefused, match="at most 2 decimals"):
        check_credit(Decimal("0.005"))


@given(st.sampled_from(sorted(DECIMALS)), st.integers(min_value=-(10**14), max_value=10**14))
def test_what_is_written_reads_back_as_the_same_amount(currency: str, units: int) -> None:
    amount = Decimal(units).scaleb(-DECIMALS[currency])

    text = format_money(check_amount(amount, currency), currency)

    assert Decimal(text) == amount
    assert "E" not in text
