"""Only who has a key of the project is heard over the channel layer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from realtime.seal import SEALED, SIZE, Forged, seal, unseal

SAID = {"type": "realtime.batch", "batch": b"\x00\xff"}


def test_what_was_sealed_is_read_as_it_was_said() -> None:
    assert unseal(seal(SAID)) == SAID


def test_who_has_another_key_is_not_heard(settings: Settings) -> None:
    sealed = seal(SAID)
    settings.SECRET_KEY = "another" * 10

    with pytest.raises(Forged):
        unseal(sealed)


def test_a_key_that_was_replaced_is_heard_while_it_is_listed(settings: Settings) -> None:
    sealed = seal(SAID)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 10

    assert unseal(sealed) == SAID


@given(place=st.integers(0), change=st.integers(1, 255))
def test_no_byte_may_be_another(place: int, change: int) -> None:
    sealed = seal(SAID)
    altered = bytearray(sealed[SEALED])
    altered[place % len(altered)] ^= change

    with pytest.raises(Forged):
        unseal({**sealed, SEALED: bytes(altered)})


@pytest.mark.parametrize(
    "message",
    [
        None,
        1,
        "x",
        b"x",
        [],
        {},
        SAID,
        {"type": "realtime.batch", SEALED: None},
        {"type": "realtime.batch", SEALED: "x" * 100},
        {"type": "realtime.batch", SEALED: b""},
        {"type": "realtime.batch", SEALED: b"x" * (SIZE - 1)},
        {"type": "realtime.batch", SEALED: bytes(SIZE) + msgspec.msgpack.encode(SAID)},
        {**SAID, SEALED: b""},
    ],
    ids=repr,
)
def test_what_was_not_sealed_is_refused_whatever_it_is(message: Any) -> None:
    with pytest.raises(Forged):
        unseal(message)


def test_the_type_outside_the_seal_is_nobodys_word() -> None:
    assert unseal({**seal(SAID), "type": "else"})["type"] == "realtime.batch"
