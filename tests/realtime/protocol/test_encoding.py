"""Values as JSON: exact, or refused."""

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.protocol.encoding import MAX_DEPTH, encode_data, timestamp

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Colour(str, Enum):  # noqa: UP042 - as Django's TextChoices
    RED = "red"


class Point(msgspec.Struct):
    x: Decimal


def test_what_the_ledger_publishes_has_one_exact_form() -> None:
    data = {
        "id": UUID("0192F000-0000-7000-8000-000000000001"),
        "amount": Decimal("-1000.00"),
        "date": date(2026, 1, 2),
        "at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "who": None,
        "tags": ("é", Colour.RED),
        "more": MappingProxyType({"n": 1}),
        "point": Point(Decimal("1E+3")),
    }

    assert encode_data(data).decode() == (
        '{"id":"0192f000-0000-7000-8000-000000000001","amount":"-1000.00","date":"2026-01-02",'
        '"at":"2026-01-02T03:04:05.678Z","who":null,"tags":["é","red"],"more":{"n":1},"point":{"x":"1000"}}'
    )


@given(PLAIN)
def test_plain_values_survive_the_way_there_and_back(value: Any) -> None:
    assert json.loads(encode_data(value)) == value


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_text_of_exactly_its_value(amount: Decimal) -> None:
    text = json.loads(encode_data({"amount": amount}))["amount"]

    assert Decimal(text) == amount
    assert "E" not in text


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("sNaN"),
        datetime(2026, 1, 2),  # noqa: DTZ001 - that it names no zone is the point
        "\ud800",
    ],
    ids=repr,
)
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        encode_data({"value": [value]})


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, Ellipsis, 1j, timedelta(1)], ids=repr)
def test_types_without_an_exact_form_are_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        encode_data({"value": value})


def test_data_that_contains_itself_is_refused() -> None:
    data: dict[str, Any] = {}
    data["self"] = data

    with pytest.raises(ValueError):
        encode_data(data)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
def test_data_nested_deeper_than_decoders_go_is_refused(depth: int) -> None:
    data: list[Any] = []
    for _ in range(depth - 1):
        data = [data]

    with pytest.raises(ValueError, match="nested too deeply"):
        encode_data(data)


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    moment = datetime(2026, 1, 2, 4, 4, 5, 678999, tzinfo=timezone(timedelta(hours=1)))

    assert timestamp(moment) == "2026-01-02T03:04:05.678Z"


def test_a_whole_second_has_its_milliseconds_too() -> None:
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000Z"
