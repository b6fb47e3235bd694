"""A batch that processes hand each other: read back exactly, and nothing else taken for one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.protocol.entry import Batch, Entry, decode_batch, encode_batch

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
UUIDS = st.uuids().map(str)


def entry(position: int, **fields: Any) -> Entry:
    made = Entry(position, "global", 1, str(UUID(int=position)), "Note", "{}", "2026-01-02T03:04:05.678Z")
    return msgspec.structs.replace(made, **fields)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    first = draw(st.integers(1, 2**62))
    fields = st.tuples(TEXT, st.integers(1, 2**62), UUIDS, TEXT, TEXT, TEXT, st.booleans())
    entries = [Entry(first + n, *each) for n, each in enumerate(draw(st.lists(fields, max_size=5)))]
    last = entries[-1].position if entries else first + draw(st.integers(0, 2**61))
    return Batch(draw(TEXT), first, last, entries, draw(st.none() | st.integers(0, 0xFFFF)))


@given(batches())
def test_a_batch_is_read_back_as_it_was(batch: Batch) -> None:
    assert decode_batch(encode_batch(batch)) == batch


def test_an_entry_is_known_again_by_the_last_bits_of_its_id() -> None:
    assert entry(1, id="01920000-0000-7000-8000-00000000abcd").check == 0xABCD


@pytest.mark.parametrize(
    "batch",
    [
        Batch("e", 0, 1),
        Batch("e", -1, 1),
        Batch("e", 3, 2),
        Batch("e", 1, 2, [entry(1)]),
        Batch("e", 1, 1, [entry(1), entry(2)]),
        Batch("e", 1, 2, [entry(2), entry(1)]),
        Batch("e", 1, 2, [entry(1), entry(1)]),
        Batch("e", 1, 3, [entry(1), entry(3)]),
        Batch("e", 1, 10**18, [entry(1)]),
        Batch("e", 1, 1, [entry(1, id="")]),
        Batch("e", 1, 1, [entry(1, id="not an id")]),
    ],
    ids=lambda batch: f"{batch.first}-{batch.last} with {[each.position for each in batch.entries]}",
)
def test_a_run_with_a_gap_or_without_ids_is_no_batch(batch: Batch) -> None:
    with pytest.raises(ValueError, match="batch|UUID"):
        decode_batch(encode_batch(batch))


@given(
    st.binary() | st.recursive(st.none() | st.integers(-(2**63), 2**63) | TEXT, st.lists).map(msgspec.msgpack.encode)
)
def test_garbage_is_no_batch(raw: bytes) -> None:
    try:
        batch = decode_batch(raw)
    except ValueError:
        return
    assert decode_batch(encode_batch(batch)) == batch
