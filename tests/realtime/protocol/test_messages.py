"""Every message of the server, byte for byte as the protocol shows it."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from realtime.protocol import messages
from realtime.protocol.encoding import encode_data
from realtime.protocol.errors import ProtocolError

FAMILY = "family:550e8400-e29b-41d4-a716-446655440000"
CURSOR = "k3f9-10482-1a2b"
ID = "0192f000-0000-7000-8000-000000000001"
AT = "2026-01-02T03:04:05.678Z"
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def event(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "type": "TransactionUpdate",
        "topic": FAMILY,
        "seq": 42,
        "cursor": CURSOR,
        "id": ID,
        "timestamp": AT,
        "data": b'{"transaction_id":"t","action":"created","data":{"amount":"-12.50"}}',
    }
    return messages.event_frame(**(fields | changes))


def test_an_event_has_the_keys_of_the_protocol_in_its_order() -> None:
    assert event().decode() == (
        f'{{"type":"TransactionUpdate","topic":"{FAMILY}","seq":42,"cursor":"{CURSOR}","id":"{ID}","timestamp":"{AT}",'
        '"data":{"transaction_id":"t","action":"created","data":{"amount":"-12.50"}}}'
    )


def test_an_event_says_that_it_wants_an_ack_and_that_it_was_replayed() -> None:
    frame = event(ack=True, replayed=True, data=b"{}")

    assert frame.decode().endswith(f'"timestamp":"{AT}","ack":true,"replayed":true,"data":{{}}}}')


def test_an_ephemeral_event_has_neither_seq_nor_cursor() -> None:
    frame = event(seq=None, cursor=None, data=b"{}")

    assert frame.decode() == (
        f'{{"type":"TransactionUpdate","topic":"{FAMILY}","id":"{ID}","timestamp":"{AT}","data":{{}}}}'
    )


def test_an_event_out_of_its_order_keeps_its_seq_and_gives_no_cursor() -> None:
    assert b'"seq":42,"id"' in event(cursor=None)


def test_the_id_may_be_a_uuid() -> None:
    assert event(id=UUID(ID)) == event()


@given(TEXT, TEXT, st.dictionaries(TEXT, TEXT))
def test_no_text_breaks_out_of_its_place(type: str, topic: str, data: dict[str, str]) -> None:
    frame = json.loads(event(type=type, topic=topic, data=encode_data(data)))

    assert (frame["type"], frame["topic"], frame["data"]) == (type, topic, data)


def test_connected() -> None:
    frame = messages.connected(
        timestamp=AT,
        user_id=UUID(ID),
        connection_id="c1",
        cursor=CURSOR,
        topics={FAMILY: 42, "global": 3},
        heartbeat=(30, 60),
        expires_at=None,
    )

    assert frame.decode() == (
        f'{{"type":"Connected","timestamp":"{AT}","data":{{"user_id":"{ID}","connection_id":"c1","cursor":"{CURSOR}",'
        f'"topics":{{"{FAMILY}":42,"global":3}},"heartbeat":{{"interval":30,"timeout":60}},"expires_at":null}}}}'
    )


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            messages.subscribed("global", 3, 2, "k-7"),
            '{"type":"Subscribed","data":{"topic":"global","seq":3,"replayed":2,"cursor":"k-7"}}',
        ),
        (messages.unsubscribed("global"), '{"type":"Unsubscribed","data":{"topic":"global"}}'),
        (
            messages.unsubscribed("global", "revoked"),
            '{"type":"Unsubscribed","data":{"topic":"global","reason":"revoked"}}',
        ),
        (messages.ping(CURSOR), f'{{"type":"Ping","cursor":"{CURSOR}"}}'),
        (messages.pong(), '{"type":"Pong"}'),
        (messages.pong(0), '{"type":"Pong","reply_to":0}'),
        (messages.pong(""), '{"type":"Pong","reply_to":""}'),
        (
            messages.reset("trimmed", CURSOR, {"global": 3}),
            f'{{"type":"Reset","data":{{"reason":"trimmed","cursor":"{CURSOR}","topics":{{"global":3}}}}}}',
        ),
        (
            messages.response("x", {}, 5, CURSOR, "r1"),
            f'{{"type":"Response","reply_to":"r1","data":{{"resource":"x","params":{{}},"result":5,"cursor":"{CURSOR}"}}}}',
        ),
        (
            messages.response("accounts", {}, Raw(b"[1,2]"), CURSOR),
            f'{{"type":"Response","data":{{"resource":"accounts","params":{{}},"result":[1,2],"cursor":"{CURSOR}"}}}}',
        ),
        (
            messages.authenticated(AT, 7),
            f'{{"type":"Authenticated","reply_to":7,"data":{{"expires_at":"{AT}"}}}}',
        ),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else "",
)
def test_replies_and_signs_of_life(frame: bytes, expected: str) -> None:
    assert frame.decode() == expected


def test_an_error_answers_the_command_it_refuses() -> None:
    refusal = ProtocolError("forbidden", "No.", reply_to="q1")

    assert messages.error(refusal).decode() == (
        '{"type":"Error","reply_to":"q1","data":{"code":"forbidden","message":"No."}}'
    )


def test_an_error_raised_beyond_the_parser_answers_the_command_at_hand() -> None:
    refusal = ProtocolError("forbidden", "No.")

    assert messages.error(refusal, 0).decode() == (
        '{"type":"Error","reply_to":0,"data":{"code":"forbidden","message":"No."}}'
    )


def test_a_stream_ends_with_the_close_code_and_when_to_come_back() -> None:
    assert json.loads(messages.close(ProtocolError("draining"), 2.5)) == {
        "code": 1012,
        "message": "The server is restarting: reconnect shortly.",
        "retry_after": 2.5,
    }


def test_a_stream_that_must_not_come_back_says_no_time() -> None:
    assert json.loads(messages.close(ProtocolError("signed_out")))["retry_after"] is None


def test_a_poll_answer_holds_the_same_frames() -> None:
    reset = messages.reset("epoch", CURSOR, {})
    answer = messages.poll_answer([event(), event(seq=43)], CURSOR, has_more=True, reset=[reset], poll_interval_ms=1000)

    assert answer == b'{"events":[%b,%b],"cursor":"%b","has_more":true,"reset":[%b],"poll_interval_ms":1000}' % (
        event(),
        event(seq=43),
        CURSOR.encode(),
        reset,
    )
