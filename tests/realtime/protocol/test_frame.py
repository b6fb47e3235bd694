"""One entry in every form: each encoded once, and the same message in all of them."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.protocol.chunked import chunk
from realtime.protocol.entry import Entry
from realtime.protocol.frame import Form, Frame, joined
from realtime.protocol.websocket import binary_frame, text_frame

FORMS: list[Form] = ["wire", "wire_binary", "wire_sse"]


def frame(position: int = 7, text: str = "") -> Frame:
    return Frame(
        Entry(position, "a", 3, f"00000000-0000-7000-8000-{position:012x}", "Note", json.dumps(text), "t"), "e"
    )


def test_what_goes_onto_a_wire_is_what_a_server_would_make_of_the_same_message() -> None:
    one = frame()

    assert one.wire == text_frame(one.json) == text_frame(one.text.encode())
    assert one.wire_binary == binary_frame(one.msgpack)
    assert one.wire_sse == chunk(one.sse)
    assert msgspec.msgpack.decode(one.msgpack) == json.loads(one.json)
    assert json.loads(one.json)["cursor"] == one.cursor


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_made_once(form: Form) -> None:
    one = frame()

    assert getattr(one, form) is getattr(one, form)
    assert joined([one], form, 10)[0] is getattr(one, form)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=20), st.integers(1, 1500), st.sampled_from(FORMS))
def test_pieces_hold_all_of_it_in_order_and_as_much_as_they_may(sizes: list[int], most: int, form: Form) -> None:
    frames = [frame(number, "x" * size) for number, size in enumerate(sizes, 1)]
    alone = [len(getattr(each, form)) for each in frames]

    pieces = joined(frames, form, most)

    assert b"".join(pieces) == b"".join(getattr(each, form) for each in frames)
    assert all(len(piece) <= most or len(piece) in alone for piece in pieces)
    assert all(len(one) + len(two) > most for one, two in pairwise(pieces))
