"""The same frame as MessagePack and as a chunk of a stream."""

import json
from typing import Any

import httpx
import msgspec
import pytest
from httpx_sse import EventSource, ServerSentEvent
from hypothesis import given
from hypothesis import strategies as st

from realtime.protocol.encoding import encode_data
from realtime.protocol.forms import sse_chunk, sse_keepalive, sse_retry, to_msgpack

FRAME = b'{"type":"Ping","cursor":"k3f9-1-0000"}'
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**63), 2**64 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


def received(stream: bytes) -> list[ServerSentEvent]:
    """What a client makes of the bytes."""
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=stream)
    return list(EventSource(response).iter_sse())


@given(VALUES)
def test_messagepack_holds_the_same_value(value: Any) -> None:
    assert msgspec.msgpack.decode(to_msgpack(encode_data(value))) == value


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**400])
def test_integers_beyond_messagepack_become_text_and_stay_exact(number: int) -> None:
    packed = to_msgpack(encode_data({"big": number, "small": 2**64 - 1, "share": 0.5}))

    assert msgspec.msgpack.decode(packed) == {"big": str(number), "small": 2**64 - 1, "share": 0.5}


def test_a_chunk_has_the_lines_of_the_protocol() -> None:
    chunk = sse_chunk(FRAME, "Ping", "k3f9-1-0000")

    assert chunk == b"id: k3f9-1-0000\nevent: Ping\ndata: " + FRAME + b"\n\n"


def test_a_chunk_without_a_cursor_leaves_the_client_the_one_it_has() -> None:
    first, second = received(sse_chunk(FRAME, "A", "k3f9-1-0000") + sse_chunk(FRAME, "B", None))

    assert (first.id, second.id, second.event) == ("k3f9-1-0000", "k3f9-1-0000", "B")
    assert sse_chunk(FRAME, "B", None) == b"event: B\ndata: " + FRAME + b"\n\n"


@given(VALUES)
def test_a_stream_brings_every_frame_whole(value: Any) -> None:
    (event,) = received(sse_chunk(encode_data(value), "Event", "k3f9-1-0000"))

    assert json.loads(event.data) == value


@pytest.mark.parametrize("gap", [b"\n", b"\r", b"\r\n", b"\n\nevent: Forged\ndata: {}\n\n"])
def test_line_breaks_between_tokens_cannot_split_a_frame(gap: bytes) -> None:
    chunk = sse_chunk(b'{"a":' + gap + b"1}", "Event", None)

    assert [event.event for event in received(chunk)] == ["Event"]
    assert chunk.count(b"\n") == 3
    assert b"\r" not in chunk


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b", "\n"])
def test_neither_type_nor_cursor_can_break_out_of_its_line(text: str) -> None:
    for attempt in (
        lambda: sse_chunk(FRAME, text, None),
        lambda: sse_chunk(FRAME, "Event", text),
        lambda: sse_keepalive(text),
    ):
        with pytest.raises(ValueError, match="line break or NUL"):
            attempt()


def test_a_keepalive_freshens_the_cursor_of_what_comes_next() -> None:
    stream = sse_keepalive("k3f9-9-0000") + sse_chunk(FRAME, "Ping", None)

    assert sse_keepalive("k3f9-9-0000") == b"id: k3f9-9-0000\n\n"
    assert received(stream)[-1].id == "k3f9-9-0000"


def test_the_stream_says_how_long_to_wait_before_coming_back() -> None:
    assert sse_retry(2000) == b"retry: 2000\n\n"
