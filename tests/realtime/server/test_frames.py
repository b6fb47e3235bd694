"""What a client sends, read in any pieces, beside another implementation of RFC 6455."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Close as TheirClose
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

from realtime.server.frames import BAD_DATA, PROTOCOL_ERROR, TOO_BIG, Close, Event, FrameReader, Ping, Pong, Violation

LARGEST = 70_000


def read(*pieces: bytes, largest: int = LARGEST) -> list[Event]:
    """Feed the pieces one by one and take all there is after each."""
    reader = FrameReader(largest)
    events: list[Event] = []
    for piece in pieces:
        reader.feed(piece)
        while (event := reader.next()) is not None:
            events.append(event)
    return events


def masked(opcode: int, payload: bytes, *, fin: bool = True, **reserved: bool) -> bytes:
    """One frame as a client sends it."""
    return Frame(Opcode(opcode), payload, fin, **reserved).serialize(mask=True)


def raw(first: int, payload: bytes, *, mask: int = 0x80) -> bytes:
    """One short frame with any first byte; the mask is zero, where it is there at all."""
    return bytes((first, mask | len(payload))) + (bytes(4) if mask else b"") + payload


def theirs(data: bytes, largest: int = LARGEST) -> list[Event]:
    """The same bytes, read by the oracle."""
    protocol = Protocol(Side.SERVER, state=OPEN, max_size=largest)
    protocol.receive_data(data)
    events: list[Event] = []
    parts: list[bytes] = []
    is_text = False
    for frame in protocol.events_received():
        assert isinstance(frame, Frame)
        match frame.opcode:
            case Opcode.PING:
                events.append(Ping(bytes(frame.data)))
            case Opcode.PONG:
                events.append(Pong(bytes(frame.data)))
            case Opcode.CLOSE:
                close = TheirClose.parse(frame.data)
                events.append(Close(close.code, close.reason))
            case _:
                is_text = frame.opcode == Opcode.TEXT if frame.opcode != Opcode.CONT else is_text
                parts.append(bytes(frame.data))
                if frame.fin:
                    whole = b"".join(parts)
                    parts = []
                    try:
                        events.append(whole.decode() if is_text else whole)
                    except UnicodeDecodeError:
                        return [*events, Violation(BAD_DATA, "")]
    if protocol.parser_exc is not None:
        events.append(Violation(_code_of(protocol.parser_exc), ""))
    return events


def _code_of(error: Exception) -> int:
    match error:
        case PayloadTooBig():
            return TOO_BIG
        case UnicodeDecodeError():
            return BAD_DATA
        case ProtocolError():
            return PROTOCOL_ERROR
    raise error


def said(events: list[Event]) -> list[Any]:
    """Events without the wording of a violation."""
    return [event.code if isinstance(event, Violation) else event for event in events]


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Messages whole and in fragments, with control frames anywhere."""
    out = b""
    for _ in range(draw(st.integers(0, 5))):
        is_text = draw(st.booleans())
        size = draw(st.sampled_from([0, 1, 5, 125, 126, 300, 65536]))
        content = draw(st.binary(min_size=3, max_size=3)).hex() + "é€😀" if is_text else "\xff"
        payload = (content.encode() * (size // 3 + 1))[: size or None]
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
        for place, part in enumerate(parts):
            if draw(st.booleans()):
                out += masked(draw(st.sampled_from([9, 10])), draw(st.binary(max_size=125)))
            out += masked((1 if is_text else 2) if place == 0 else 0, part, fin=place == len(parts) - 1)
    if draw(st.booleans()):
        code, reason = draw(st.sampled_from([1000, 1001, 1011, 3000, 4999])), draw(st.text(max_size=30))
        out += masked(8, TheirClose(code, reason).serialize())
    return out


def pieces(data: bytes, seed: int) -> Iterator[bytes]:
    """The bytes, cut anywhere."""
    rng = random.Random(seed)
    while data:
        size = rng.choice([1, 2, 7, 100, 5000, len(data)])
        yield data[:size]
        data = data[size:]


@settings(max_examples=300, deadline=None)
@given(frames(), st.integers())
def test_what_a_client_may_send_is_read_alike_however_it_is_cut(data: bytes, seed: int) -> None:
    expected = said(theirs(data))

    assert said(read(data)) == expected
    assert said(read(*pieces(data, seed))) == expected


@settings(max_examples=500, deadline=None)
@given(frames(), st.data())
def test_damage_anywhere_is_judged_alike_however_it_is_cut(data: bytes, drawn: st.DataObject) -> None:
    damaged = bytearray(data)
    for _ in range(drawn.draw(st.integers(1, 3)) if data else 0):
        damaged[drawn.draw(st.integers(0, min(len(data) - 1, 400)))] = drawn.draw(st.integers(0, 255))
    data = bytes(damaged)

    whole, cut = said(read(data)), said(read(*pieces(data, len(data))))

    assert cut == whole
    assert _agree(whole, said(theirs(data)))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
@example(bytes.fromhex("81fe0001"))
@example(bytes.fromhex("82ff8000000000000000"))
def test_noise_is_judged_alike_however_it_is_cut(data: bytes) -> None:
    whole = said(read(data))

    assert said(read(*(bytes((byte,)) for byte in data))) == whole
    assert _agree(whole, said(theirs(data)))


def _agree(ours: list[Any], oracles: list[Any]) -> bool:
    """Whether both tell the same, up to where they may differ.

    We refuse a length that is not written as short as it can be, and text as soon as it cannot become UTF-8;
    the oracle waits for the end of the message, or takes it. It refuses a close between fragments.
    """
    if ours == oracles:
        return True
    is_earlier = bool(ours) and ours[-1] in (PROTOCOL_ERROR, BAD_DATA) and oracles[: len(ours) - 1] == ours[:-1]
    return is_earlier or (isinstance(ours[-1], Close) and oracles == [*ours[:-1], PROTOCOL_ERROR])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(raw(0xC1, b"x"), PROTOCOL_ERROR, id="a reserved bit"),
        pytest.param(raw(0x83, b""), PROTOCOL_ERROR, id="a reserved opcode"),
        pytest.param(raw(0x8B, b""), PROTOCOL_ERROR, id="a reserved control opcode"),
        pytest.param(raw(0x81, b"x", mask=0), PROTOCOL_ERROR, id="no mask"),
        pytest.param(raw(0x09, b""), PROTOCOL_ERROR, id="a fragmented ping"),
        pytest.param(b"\x89\xfe\x00\x7e", PROTOCOL_ERROR, id="a long ping"),
        pytest.param(raw(0x80, b"x"), PROTOCOL_ERROR, id="nothing to continue"),
        pytest.param(raw(0x01, b"x") + raw(0x81, b"y"), PROTOCOL_ERROR, id="a message in a message"),
        pytest.param(b"\x81\xfe\x00\x05", PROTOCOL_ERROR, id="a short length written long"),
        pytest.param(b"\x82\xff" + b"\xff" * 8, PROTOCOL_ERROR, id="a negative length"),
        pytest.param(b"\x82\xff" + (LARGEST + 1).to_bytes(8, "big"), TOO_BIG, id="too long"),
        pytest.param(masked(2, b"x" * LARGEST, fin=False) + raw(0x80, b"x"), TOO_BIG, id="too long in all"),
        pytest.param(raw(0x88, b"x"), PROTOCOL_ERROR, id="half a close code"),
        pytest.param(raw(0x88, b"\x03\xed"), PROTOCOL_ERROR, id="a close code that is never sent"),
        pytest.param(raw(0x88, b"\x03\xe8\xff"), BAD_DATA, id="a close reason that is not UTF-8"),
        pytest.param(raw(0x81, b"\xff"), BAD_DATA, id="a text that is not UTF-8"),
        pytest.param(raw(0x81, b"\xed\xa0\x80"), BAD_DATA, id="a lone surrogate"),
        pytest.param(masked(1, "é".encode()[:1]), BAD_DATA, id="a text that ends within a character"),
        pytest.param(
            masked(1, b"a", fin=False) + masked(0, "é".encode()[:1]),
            BAD_DATA,
            id="fragments that end in a character",
        ),
    ],
)
def test_what_is_forbidden_ends_the_reading(data: bytes, code: int) -> None:
    *before, last = read(data, masked(1, b"more"))

    assert isinstance(last, Violation)
    assert (before, last.code) == ([], code)


def test_a_text_fails_at_the_first_byte_that_cannot_belong_to_it() -> None:
    begun = masked(1, b"Hello\xf4\x90 and much more", fin=False)

    assert read(begun[: 6 + 6]) == []
    assert said(read(begun[: 6 + 7])) == [BAD_DATA]


def test_a_character_may_be_cut_by_fragments() -> None:
    assert read(masked(1, "€".encode()[:1], fin=False), masked(9, b"!"), masked(0, "€".encode()[1:])) == [
        Ping(b"!"),
        "€",
    ]


def test_nothing_is_read_before_it_is_asked_for() -> None:
    reader = FrameReader(LARGEST)
    reader.feed(masked(1, b"first") + raw(0x83, b""))

    assert reader.next() == "first"
    reader.feed(b"ignored")
    assert said([event for event in [reader.next()] if event is not None]) == [PROTOCOL_ERROR]
    assert reader.next() is None


def test_nothing_follows_a_close() -> None:
    assert read(raw(0x88, b"") + masked(1, b"more"), masked(1, b"more")) == [Close(1005, "")]


def test_a_message_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    assert read(masked(2, b"x" * 100), largest=100) == [b"x" * 100]
    assert said(read(masked(2, b"x" * 101), largest=100)) == [TOO_BIG]
