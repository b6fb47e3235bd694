"""Currencies and their decimals: what amount can exist, and how it is written.

Separate because an amount means nothing without its currency, and everything that shows or takes one asks here. No
binary float anywhere.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from ledger.errors import AmountRefused

# SQLite keeps decimals as binary floats, which are exact up to 15 digits. One bound for both databases.
MAX_DIGITS = 15
CREDIT_DECIMALS = 2
ZERO = Decimal(0)

_TWO = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN "
    "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG"
)
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"

DECIMALS: dict[str, int] = {
    code: places for places, codes in ((2, _TWO), (0, _NONE), (3, _THREE), (4, _FOUR)) for code in codes.split()
}
"""Decimals of each currency in use, by its ISO 4217 code."""


def format_money(amount: Decimal, currency: str) -> str:
    """Write ``amount`` with exactly the decimals of ``currency``: ``"1000.00"``, never ``"-0.00"``."""
    return _written(amount, DECIMALS[currency])


def format_credit(amount: Decimal) -> str:
    """Write an amount of credit, which has two decimals."""
    return _written(amount, CREDIT_DECIMALS)


def check_currency(currency: str) -> str:
    """Return ``currency`` if it is the code of one in use; raise AmountRefused otherwise."""
    if currency not in DECIMALS:
        raise AmountRefused(
            _("{code} is no ISO 4217 code of a currency in use, such as EUR.").format(code=repr(currency))
        )
    return currency


def check_amount(amount: Decimal, currency: str) -> Decimal:
    """Return ``amount`` if ``currency`` can express it; raise AmountRefused otherwise. Never rounds."""
    return _checked(amount, DECIMALS[check_currency(currency)], currency)


def check_credit(amount: Decimal) -> Decimal:
    """Return ``amount`` if it is one of credit; raise AmountRefused otherwise. Never rounds."""
    return _checked(amount, CREDIT_DECIMALS, _("Credit"))


def _written(amount: Decimal, places: int) -> str:
    return f"{amount.quantize(Decimal(1).scaleb(-places)) + ZERO:f}"


def _checked(amount: Decimal, places: int, of: str) -> Decimal:
    if not amount.is_finite():
        raise AmountRefused(_("{amount} is not an amount.").format(amount=amount))
    if abs(amount) >= Decimal(10) ** (MAX_DIGITS - places):
        raise AmountRefused(_("{of} amounts have at most {most} digits.").format(of=of, most=MAX_DIGITS))
    try:
        exact = amount.quantize(Decimal(1).scaleb(-places))
    except InvalidOperation:
        exact = None
    if exact != amount:
        raise AmountRefused(
            _("{of} amounts have at most {most} decimals; {amount} has more.").format(of=of, most=places, amount=amount)
        )
    return amount
