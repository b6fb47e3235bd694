"""What a client says: both spellings, exact refusals, and never a crash."""

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.protocol import commands
from realtime.protocol.commands import (
    Ack,
    Authenticate,
    Command,
    Ping,
    Pong,
    Request,
    Subscribe,
    Unsubscribe,
    parse_command,
)
from realtime.protocol.errors import ProtocolError

SIZE = 64 * 1024
DEPTH = 16
KEYS = 1000
ID = "0192f000-0000-7000-8000-000000000001"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
NAMES = ["Subscribe", "unsubscribe", "REQUEST", "ack", "ping", "pong", "authenticate", "nothing"]
NEAR_COMMANDS = st.fixed_dictionaries(
    {"command": st.sampled_from(NAMES) | JSON_VALUES},
    optional={
        "id": JSON_VALUES,
        "type": JSON_VALUES,
        "data": JSON_VALUES
        | st.dictionaries(
            st.sampled_from(["topic", "after", "resource", "params", "message_id", "token", "reply_to"]), JSON_VALUES
        ),
    },
)


def parse(raw: str | bytes, *, msgpack: bool = False) -> Command:
    return parse_command(raw, max_size=SIZE, max_depth=DEPTH, max_keys=KEYS, msgpack=msgpack)


def refusal(raw: str | bytes, *, msgpack: bool = False) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        parse(raw, msgpack=msgpack)
    return caught.value


def say(**message: Any) -> str:
    return json.dumps(message)


NAMES_OR_REFUSALS = {command.__name__ for command in commands.COMMANDS} | {
    "bad_json",
    "bad_message",
    "unknown_command",
    "invalid_data",
    "message_too_big",
}
COMMANDS = [
    ("Subscribe", {"topic": "global"}, Subscribe(topic="global", reply_to="a")),
    ("Subscribe", {"topic": "global", "after": 0}, Subscribe(topic="global", after=0, reply_to="a")),
    ("Unsubscribe", {"topic": "global"}, Unsubscribe(topic="global", reply_to="a")),
    ("Request", {"resource": "stats"}, Request(resource="stats", params={}, reply_to="a")),
    ("Request", {"resource": "x", "params": {"n": [1]}}, Request(resource="x", params={"n": [1]}, reply_to="a")),
    ("Ack", {"message_id": ID}, Ack(message_id=UUID(ID), reply_to="a")),
    ("Authenticate", {"token": "t"}, Authenticate(token="t", reply_to="a")),
    ("Ping", {}, Ping(reply_to="a")),
    ("Pong", {}, Pong(reply_to="a")),
]


@pytest.mark.parametrize(("name", "data", "expected"), COMMANDS)
@pytest.mark.parametrize("key", ["command", "type"])
def test_each_command_is_read_in_both_spellings_and_any_case(
    name: str, data: dict[str, Any], expected: Command, key: str
) -> None:
    for spelling in (name, name.lower(), name.upper()):
        assert parse(say(**{key: spelling}, data=data, id="a")) == expected


@pytest.mark.parametrize(("name", "data", "expected"), COMMANDS)
def test_each_command_is_read_from_messagepack(name: str, data: dict[str, Any], expected: Command) -> None:
    packed = msgspec.msgpack.encode({"command": name, "data": data, "id": "a"})

    assert parse(packed, msgpack=True) == expected


@pytest.mark.parametrize(
    "message", ['{"command":"Ping"}', '{"type":"ping","data":null,"id":null}', ' {"type":"PING"}\n']
)
def test_data_and_id_may_be_absent(message: str) -> None:
    assert parse(message) == Ping(reply_to=None)


def test_command_counts_before_type() -> None:
    assert parse('{"type":"Message","command":"Ping"}') == Ping()


def test_keys_the_server_does_not_know_are_ignored() -> None:
    message = say(command="Subscribe", data={"topic": "global", "colour": 1, "reply_to": "forged"}, id="a", v=2)

    assert parse(message) == Subscribe(topic="global", reply_to="a")


def test_any_text_is_a_topic_so_that_malformed_ones_are_refused_like_forbidden_ones() -> None:
    topic = "\0" + "x" * 10_000

    assert parse(say(command="Subscribe", data={"topic": topic})) == Subscribe(topic=topic)


@pytest.mark.parametrize("id", [0, -1, 2**53 - 1, "", "é", "x" * 128])
def test_an_id_comes_back_as_it_was_given(id: str | int) -> None:
    assert parse(say(command="Ping", id=id)).reply_to == id


@pytest.mark.parametrize("id", [1.0, True, [], {}, 2**53, -(2**53), "x" * 129])
def test_an_id_of_another_form_is_invalid_and_not_returned(id: Any) -> None:
    error = refusal(say(command="Ping", id=id))

    assert (error.code, error.reply_to) == ("invalid_data", None)
    assert error.message == "id: expected text of at most 128 characters, or an integer."


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "nonsense",
        "{",
        '{"command":"Ping"}{"command":"Ping"}',
        "{'command':'Ping'}",
        '{"command":"Ping",}',
        '\ufeff{"command":"Ping"}',
        '{"command":"Ping","data":{"x":NaN}}',
        '{"command":"Ping","data":{"x":-Infinity}}',
        '{"command":"Ping","data":{"x":1e999}}',
        '{"command":"Ping","data":{"x":18446744073709551616}}',
        '{"command":"Ping","data":{"x":' + "1" * 5000 + "}}",
        '{"command":"Ping","command":"Ping"}',
        '{"command":"Ping","\\u0063ommand":"Ping"}',
        '{"command":"Ping","data":[[{"a":1,"a":2}]]}',
        '{"command":"Ping","id":"\\ud800"}',
        '{"command":"Ping","id":"\\uDC00\\uD800"}',
        '{"command":"Ping","id":"\\\\\\ud800"}',
        '{"command":"Ping","\\ud800":1}',
        '{"command":"Ping","id":"\ud800"}',
        '{"command":"Ping","id":"a\nb"}',
        '{"command":"Ping","data":' + "[" * 16 + "]" * 16 + "}",
        "[" * 60_000,
        "[" * 100_000,
        '{"a":' * 200_000,
        "[" * 30_000 + "]" * 30_000,
        '"\\' * 30_000,
        b'{"command":"Ping"}',
    ],
    ids=lambda raw: str(raw[:40]),
)
def test_what_is_no_strict_json_text_is_bad_json(raw: str | bytes) -> None:
    error = refusal(raw)

    assert (error.code, error.reply_to) == ("bad_json", None)


@pytest.mark.parametrize(
    "raw",
    [
        '{"command":"Ping","id":"\\ud83d\\ude00"}',
        '{"command":"Ping","id":"\\\\ud800"}',
        '{"command":"Ping","data":{"x":"' + "[{" * 1000 + '"}}',
        '{"command":"Ping","data":{"x":"\\"' + "[" * 100 + '"}}',
        '{"command":"Ping","data":{"x":' + "[" * 14 + "]" * 14 + "}}",
        '{"command":"Ping","data":{"x":[' + "[]," * 1000 + "[]]}}",
    ],
    ids=lambda raw: raw[:40],
)
def test_pairs_of_surrogates_brackets_in_text_and_wide_data_are_fine(raw: str) -> None:
    assert isinstance(parse(raw), Ping)


@pytest.mark.parametrize("raw", ["[]", "1", '"Ping"', "null", "{}", '{"command":1}', '{"command":null}', '{"data":{}}'])
def test_json_that_is_no_message_is_a_bad_message(raw: str) -> None:
    assert refusal(raw).code == "bad_message"


def test_a_bad_message_is_answered_to_its_id() -> None:
    assert refusal('{"id":"a"}').reply_to == "a"


@pytest.mark.parametrize("name", ["", "Subscrib", "pıng", "ac\u212a", " ping", "__class__"])
def test_an_unknown_command_is_told_which_there_are(name: str) -> None:
    error = refusal(say(command=name, id=7))

    assert (error.code, error.reply_to) == ("unknown_command", 7)
    assert error.message == (
        "There is no such command. There are: Subscribe, Unsubscribe, Request, Ack, Ping, Pong, Authenticate."
    )


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("Subscribe", {}, "data: object missing required field topic."),
        ("Subscribe", {"topic": 3}, "data.topic: expected str, got int."),
        ("Subscribe", {"topic": "global", "after": -1}, "data.after: expected int >= 0."),
        ("Subscribe", {"topic": "global", "after": 2**63}, "data.after: expected int <= 9223372036854775807."),
        ("Subscribe", {"topic": "global", "after": "1"}, "data.after: expected int | null, got str."),
        ("Subscribe", {"topic": "global", "after": 1.0}, "data.after: expected int | null, got float."),
        ("Subscribe", {"topic": "global", "after": True}, "data.after: expected int | null, got bool."),
        ("Subscribe", [], "data: expected an object."),
        ("Subscribe", "global", "data: expected an object."),
        ("Request", {"resource": "a", "params": []}, "data.params: expected object, got array."),
        ("Ack", {"message_id": "x"}, "data.message_id: invalid UUID."),
        ("Ack", {"message_id": 1}, "data.message_id: expected uuid, got int."),
        ("Authenticate", {"token": None}, "data.token: expected str, got null."),
    ],
)
def test_data_that_does_not_fit_is_refused_by_the_name_of_its_field(name: str, data: Any, message: str) -> None:
    error = refusal(say(command=name, data=data, id="a"))

    assert (error.code, error.message, error.reply_to) == ("invalid_data", message, "a")


def test_a_message_of_exactly_the_limit_is_read() -> None:
    message = '{"command":"Ping","data":{"x":""}}'
    full = message.replace('""', '"' + "x" * (SIZE - len(message)) + '"')

    assert len(full) == SIZE
    assert parse(full) == Ping()
    assert refusal(full + " ").code == "message_too_big"


def test_the_limit_counts_bytes_and_not_characters() -> None:
    message = '{"command":"Ping","data":{"x":"' + "€" * (SIZE // 3) + '"}}'

    assert len(message) < SIZE
    assert refusal(message).code == "message_too_big"


def test_a_token_is_in_no_representation() -> None:
    assert "secret" not in repr(Authenticate(token="secret"))


@pytest.mark.parametrize(
    ("packed", "code"),
    [
        (b"", "bad_json"),
        ('{"command":"Ping"}', "bad_json"),
        (b"\xc1", "bad_json"),
        (b"\x80\x80", "bad_json"),
        (b"\x80", "bad_message"),
        (b"\x90", "bad_message"),
        (b"\x82\xa1a\x01\xa1a\x02", "bad_json"),
        (b"\x91" * 60_000, "bad_json"),
        (b"\xdd\xff\xff\xff\xff", "bad_json"),
        (b"\xc0" * (SIZE + 1), "message_too_big"),
    ],
    ids=lambda value: str(value[:16]),
)
def test_messagepack_is_refused_by_the_same_rules(packed: str | bytes, code: str) -> None:
    assert refusal(packed, msgpack=True).code == code


@given(st.text() | st.binary(), st.booleans())
@example("\ud800", False)
def test_whatever_arrives_is_a_command_or_a_refusal(raw: str | bytes, msgpack: bool) -> None:
    assert judged(raw, msgpack=msgpack) in NAMES_OR_REFUSALS


@given(NEAR_COMMANDS)
def test_whatever_resembles_a_command_is_one_or_is_refused(message: dict[str, Any]) -> None:
    assert judged(json.dumps(message)) in NAMES_OR_REFUSALS


@given(JSON_VALUES)
def test_both_forms_are_judged_alike(value: Any) -> None:
    message = {"command": "Ping", "data": {"x": value}}
    try:
        text, packed = json.dumps(message), msgspec.msgpack.encode(message)
    except (OverflowError, UnicodeEncodeError):
        return

    assert judged(text) == judged(packed, msgpack=True)


def judged(raw: str | bytes, *, msgpack: bool = False) -> str:
    """The command's name, or the refusal's code; whatever else is raised comes through."""
    try:
        return type(parse(raw, msgpack=msgpack)).__name__
    except ProtocolError as error:
        return error.code
