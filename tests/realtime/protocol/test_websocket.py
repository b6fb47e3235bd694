"""Frames as a server writes them, read back by another implementation of RFC 6455."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame
from websockets.streams import StreamReader

from realtime.protocol.websocket import (
    CONTROL_PAYLOAD,
    REASON_BYTES,
    binary_frame,
    close_frame,
    may_close_with,
    ping_frame,
    pong_frame,
    text_frame,
)

SIZES = st.sampled_from([0, 1, 125, 126, 127, 65535, 65536, 70000])


def read(data: bytes) -> Frame:
    """Read exactly one unmasked frame."""
    stream = StreamReader()
    stream.feed_data(data)
    parsing = Frame.parse(stream.read_exact, mask=False)
    with pytest.raises(StopIteration) as done:
        next(parsing)
    assert not stream.buffer
    frame: Frame = done.value.value
    return frame


@given(SIZES)
def test_a_text_message_of_any_length_is_read_back(size: int) -> None:
    frame = read(text_frame(b"x" * size))

    assert (frame.opcode, frame.fin, frame.data) == (1, True, b"x" * size)


@given(SIZES)
def test_a_binary_message_of_any_length_is_read_back(size: int) -> None:
    frame = read(binary_frame(b"\xff" * size))

    assert (frame.opcode, frame.fin, frame.data) == (2, True, b"\xff" * size)


@given(st.binary(max_size=CONTROL_PAYLOAD))
def test_pings_and_pongs_are_read_back(payload: bytes) -> None:
    ping, pong = read(ping_frame(payload)), read(pong_frame(payload))

    assert (ping.opcode, ping.data) == (9, payload)
    assert (pong.opcode, pong.data) == (10, payload)


@given(st.integers(1000, 4999).filter(may_close_with), st.text(max_size=200))
def test_a_close_is_read_back_with_as_much_of_its_reason_as_fits(code: int, reason: str) -> None:
    close = Close.parse(read(close_frame(code, reason)).data)

    assert close.code == code
    assert reason.startswith(close.reason)
    assert len(close.reason.encode()) > REASON_BYTES - 4 or close.reason == reason


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536])
def test_a_code_that_no_frame_may_carry_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match=f"code {code}"):
        close_frame(code)


@pytest.mark.parametrize("make", [ping_frame, pong_frame])
def test_a_control_frame_that_is_too_long_is_refused(make: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match="at most 125 bytes, not 126"):
        make(b"x" * 126)
