"""The published form of the protocol: whole, current, and true of what is sent."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import call_command
from msgspec import Raw

from realtime.asyncapi import document
from realtime.protocol import messages
from realtime.protocol.commands import COMMANDS
from realtime.protocol.errors import CLOSE_CODES, KINDS, ProtocolError

PUBLISHED = Path(__file__).parents[2] / "docs" / "asyncapi.json"
CURSOR = "k3f9-10482-1a2b"
AT = "2026-01-02T03:04:05.678Z"
ID = "0192f000-0000-7000-8000-000000000001"

FRAMES = [
    messages.connected(
        timestamp=AT,
        user_id=ID,
        connection_id=ID,
        cursor=CURSOR,
        topics={"global": 3},
        heartbeat=(30, 60),
        expires_at=AT,
    ),
    messages.connected(
        timestamp=AT, user_id=ID, connection_id=ID, cursor=CURSOR, topics={}, heartbeat=(0.5, 1), expires_at=None
    ),
    messages.subscribed("global", 3, 0, CURSOR, 7),
    messages.unsubscribed("global", "revoked"),
    messages.response("accounts", {}, Raw(b"[]"), CURSOR, "a"),
    messages.authenticated(None),
    messages.ping(CURSOR),
    messages.pong("a"),
    messages.reset("ahead", CURSOR, {"global": 3}),
    messages.error(ProtocolError("forbidden", reply_to="a")),
]


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return document()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def fits(published: dict[str, Any], message: str, value: Any) -> bool:
    payload = published["components"]["messages"][message]["payload"]
    schema = {**payload, "components": published["components"]}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def test_the_committed_document_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("asyncapi")

    assert PUBLISHED.read_text() == capsys.readouterr().out, "python manage.py asyncapi > docs/asyncapi.json"


def test_every_reference_leads_somewhere(published: dict[str, Any]) -> None:
    for reference in references(published):
        target: Any = published
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        assert target


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: json.loads(frame)["type"])
def test_every_frame_is_as_published(published: dict[str, Any], frame: bytes) -> None:
    value = json.loads(frame)

    assert fits(published, value["type"], value)
    assert not fits(published, value["type"], {**value, "type": "Other"})


def test_the_end_of_a_stream_is_as_published(published: dict[str, Any]) -> None:
    assert fits(published, "Close", json.loads(messages.close(ProtocolError("signed_out"))))
    assert fits(published, "Close", json.loads(messages.close(ProtocolError("draining"))))


@pytest.mark.parametrize(
    ("message", "is_one"),
    [
        ({"command": "Subscribe", "data": {"topic": "global", "after": 3}, "id": 7}, True),
        ({"command": "Subscribe", "data": {}}, False),
        ({"command": "Subscribe"}, False),
        ({"command": "Ping"}, True),
        ({"command": "Ping", "id": "x" * 129}, False),
        ({"command": "Ack", "data": {"message_id": ID}}, True),
        ({"command": "Request", "data": {"resource": "accounts", "params": []}}, False),
    ],
)
def test_commands_are_as_published(published: dict[str, Any], message: dict[str, Any], is_one: bool) -> None:
    assert fits(published, f"{message['command']}Command", message) is is_one


def test_every_command_and_code_is_published(published: dict[str, Any]) -> None:
    gateway = published["channels"]["gateway"]["messages"]

    assert {f"{command.__name__}Command" for command in COMMANDS} <= set(gateway)
    assert set(published["x-errors"]) == set(KINDS)
    assert set(published["x-close-codes"]) == {str(code) for code in CLOSE_CODES}


def test_a_socket_of_one_topic_takes_no_subscriptions(published: dict[str, Any]) -> None:
    own = published["channels"]["global"]

    assert own["address"] == "/ws/global"
    assert not {"SubscribeCommand", "UnsubscribeCommand"} & set(own["messages"])


def test_a_kind_with_keys_has_one_socket_per_thing(published: dict[str, Any]) -> None:
    assert published["channels"]["family"]["address"] == "/ws/family/{key}"


def test_an_event_is_published_on_the_kinds_it_is_told_to(published: dict[str, Any]) -> None:
    told = {kind for kind, channel in published["channels"].items() if "TransactionUpdate" in channel["messages"]}

    assert told == {"gateway", "stream", "family", "account"}
