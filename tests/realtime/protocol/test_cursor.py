"""The text of a place: one spelling per place, nothing else taken."""

from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.protocol.cursor import MAX_LENGTH, MAX_POSITION, MAX_TIME, Cursor, InvalidCursor, Line, check_of

EPOCHS = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=16)
PLACES = st.integers(0, MAX_POSITION)
LINES = st.none() | st.builds(Line, st.integers(0, MAX_TIME), st.none() | PLACES)
CURSORS = st.builds(Cursor, EPOCHS, PLACES, st.integers(0, 0xFFFF), LINES)


def test_a_cursor_is_short_readable_text() -> None:
    assert Cursor("k3f9", 10482, 0x1A2B).encode() == "k3f9-10482-1a2b"
    assert Cursor("k3f9", 10482, 0x1A2B, Line(0x6B08EE90)).encode() == "k3f9-10482-1a2b-6b08ee90"
    assert Cursor("k3f9", 10482, 0x1A2B, Line(0x6B08EE90, 37)).encode() == "k3f9-10482-1a2b-6b08ee90-37"


@given(CURSORS)
@example(Cursor("0", 0, 0))
@example(Cursor("z" * 16, MAX_POSITION, 0xFFFF, Line(MAX_TIME, MAX_POSITION)))
def test_what_is_encoded_parses_to_the_same_place(cursor: Cursor) -> None:
    text = cursor.encode()

    assert Cursor.parse(text) == cursor
    assert len(text) <= MAX_LENGTH


@given(st.text())
def test_any_other_text_is_an_invalid_cursor(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except InvalidCursor:
        return
    assert cursor.encode() == text


@given(CURSORS, st.data())
def test_one_changed_character_gives_another_place_or_none(cursor: Cursor, data: st.DataObject) -> None:
    text = cursor.encode()
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters().filter(lambda letter: letter != text[at])) + text[at + 1 :]

    try:
        parsed = Cursor.parse(changed)
    except InvalidCursor:
        return
    assert parsed != cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k3f9",
        "k3f9-10482",
        "-10482-1a2b",
        "k3f9--1a2b",
        "k3f9-010482-1a2b",
        "k3f9--1-1a2b",
        "k3f9-+1-1a2b",
        "k3f9-1_0-1a2b",
        "k3f9-10482-1A2B",
        "k3f9-10482-1a2",
        "k3f9-10482-1a2b5",
        "K3F9-10482-1a2b",
        "k3f9-10482-1a2b\n",
        " k3f9-10482-1a2b",
        "k3f9-١٢-1a2b",
        "k3f9-９-1a2b",
        "k3f9-9223372036854775808-1a2b",
        "k3f9-" + "9" * 19 + "-1a2b",
        "k" * 17 + "-1-1a2b",
        "k3f9-1-1a2b-",
        "k3f9-1-1a2b-01",
        "k3f9-1-1a2b-1A",
        "k3f9-1-1a2b-10000000000",
        "k3f9-1-1a2b-1-",
        "k3f9-1-1a2b-1-01",
        "k3f9-1-1a2b-1-9223372036854775808",
        "k3f9-1-1a2b-1-1-1",
        "k3f9-1-1a2b" * 100_000,
    ],
)
def test_near_misses_are_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        Cursor.parse(text)


def test_the_check_is_the_end_of_the_id() -> None:
    assert check_of(UUID("0192f000-0000-7000-8000-00000000beef")) == 0xBEEF
