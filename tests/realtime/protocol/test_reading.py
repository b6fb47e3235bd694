"""The readers against the ones of the standard library and msgspec, where those are strict enough."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.protocol.reading import Unreadable, is_shallow, read_json
from realtime.protocol.unpacking import read_msgpack

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=30,
)


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(VALUES, st.booleans())
def test_json_is_read_as_the_standard_library_reads_it(value: Any, ascii: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii).encode()

    assert read_json(raw, max_depth=100, max_keys=100) == value


@given(VALUES)
def test_messagepack_is_read_as_msgspec_reads_it(value: Any) -> None:
    assert read_msgpack(msgspec.msgpack.encode(value), max_depth=100, max_keys=100) == value


@given(VALUES, st.integers(0, 5))
def test_depth_is_counted_exactly_in_both_forms(value: Any, limit: int) -> None:
    raw, packed = json.dumps(value).encode(), msgspec.msgpack.encode(value)
    shallow = depth_of(value) <= limit

    assert is_shallow(raw, limit) is shallow
    assert is_read(lambda: read_msgpack(packed, max_depth=limit, max_keys=100)) is shallow


def keys_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return (len(value) if isinstance(value, dict) else 0) + sum(map(keys_of, inner))


@given(VALUES, st.integers(0, 5))
def test_keys_are_counted_exactly_in_both_forms(value: Any, limit: int) -> None:
    raw, packed = json.dumps(value).encode(), msgspec.msgpack.encode(value)
    few = keys_of(value) <= limit

    assert is_read(lambda: read_json(raw, max_depth=100, max_keys=limit)) is few
    assert is_read(lambda: read_msgpack(packed, max_depth=100, max_keys=limit)) is few


def test_a_colon_in_a_string_is_no_key() -> None:
    assert read_json(b'{"a": "::::\\":::"}', max_depth=1, max_keys=1) == {"a": '::::":::'}


@pytest.mark.parametrize(
    ("raw", "limit"), [(b"[[[]]]", "MAX_DEPTH"), (b'{"a":1,"b":2}', "MAX_KEYS"), (b"{", "MAX_DEPTH")]
)
def test_what_goes_beyond_a_limit_names_its_setting(raw: bytes, limit: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        read_json(raw * (1 if raw != b"{" else 9), max_depth=2, max_keys=1)

    assert unreadable.value.limit == limit


@given(st.binary())
@example(b'"\\')
@example(b'["\\"' * 40)
def test_the_json_reader_raises_unreadable_only(raw: bytes) -> None:
    is_read(lambda: read_json(raw, max_depth=4, max_keys=100))


@given(st.binary())
def test_the_messagepack_reader_takes_nothing_that_msgspec_refuses(raw: bytes) -> None:
    if is_read(lambda: read_msgpack(raw, max_depth=100, max_keys=100)):
        msgspec.msgpack.decode(raw)


@pytest.mark.parametrize(
    "packed",
    [
        msgspec.msgpack.encode(math.nan),
        msgspec.msgpack.encode(math.inf),
        b"\xca\x7f\xc0\x00\x00",
        msgspec.msgpack.encode(b"bytes"),
        msgspec.msgpack.encode(msgspec.msgpack.Ext(1, b"x")),
        msgspec.msgpack.encode({1: 2}),
        b"\xa2\xc3\x28",
        b"\xa3\xed\xa0\x80",
        b"\x81\xa1a",
        b"\x92\x01",
        b"\xcd\x01",
        b"\xdb\xff\xff\xff\xffabc",
        b"\xdf\xff\xff\xff\xff\xa1a\x01",
        b"\xc0\xc0",
    ],
    ids=str,
)
def test_what_json_could_not_say_is_unreadable_in_messagepack(packed: bytes) -> None:
    with pytest.raises(Unreadable):
        read_msgpack(packed, max_depth=4, max_keys=100)


@pytest.mark.parametrize(
    ("packed", "value"),
    [
        (b"\xd9\x01a", "a"),
        (b"\xda\x00\x01a", "a"),
        (b"\xdb\x00\x00\x00\x01a", "a"),
        (b"\xdc\x00\x01\x01", [1]),
        (b"\xdd\x00\x00\x00\x01\x01", [1]),
        (b"\xde\x00\x01\xa1a\x01", {"a": 1}),
        (b"\xdf\x00\x00\x00\x01\xa1a\x01", {"a": 1}),
        (b"\xcf\x00\x00\x00\x00\x00\x00\x00\x05", 5),
        (b"\xd3\xff\xff\xff\xff\xff\xff\xff\xfb", -5),
        (b"\xca\x3f\x00\x00\x00", 0.5),
    ],
    ids=str,
)
def test_longer_forms_than_needed_are_read(packed: bytes, value: Any) -> None:
    assert read_msgpack(packed, max_depth=4, max_keys=100) == value


def is_read(read: Any) -> bool:
    try:
        read()
    except Unreadable:
        return False
    return True
