"""Messages, cursors, topics and query strings made up by a machine: each gets an answer that is documented."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.asyncapi import event_forms
from realtime.protocol.commands import COMMANDS
from realtime.protocol.errors import CLOSE_CODES, KINDS
from tests.clients import MSGPACK, TIMEOUT, SocketClient, access_token
from tests.contract.world import World, make_world
from tests.live import LiveServer

FEW = settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
STATUSES = {200, 400, 401, 403, 404, 429}
ANSWERS = {"Connected", "Pong", "Error", "Subscribed", "Unsubscribed", "Response", "Authenticated", "Reset"}
WORDS = ("Traceback", 'File "', "SELECT ", "Exception", "msgspec", "django", "psycopg")


@pytest.fixture(scope="module")
def world(db: None) -> World:
    """One for all: nothing of it changes here."""
    return make_world()


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([command.__name__ for command in COMMANDS]) | st.text(max_size=12)


def near(topics: list[str]) -> st.SearchStrategy[Any]:
    """Messages that are nearly commands: a part of each is anything."""
    topic = st.sampled_from(topics) | st.text(max_size=60)
    known = st.fixed_dictionaries(
        {},
        optional={
            "topic": topic,
            "after": st.integers() | values,
            "resource": st.sampled_from(["accounts", "transactions", "presence", "stats", "x"]) | values,
            "params": st.dictionaries(st.sampled_from(["family_id", "account_id", "limit", "x"]), topic | values),
            "token": st.text(max_size=50) | values,
            "message_id": st.uuids().map(str) | values,
        },
    )
    return st.fixed_dictionaries(
        {"command": names | values},
        optional={"data": known | values, "id": st.integers() | st.text(max_size=200) | values, "type": names | values},
    )


async def talk(server: LiveServer, world: World, messages: list[Any], *, packed: bool) -> None:
    """Say all of it: every answer is one of the protocol's, and in the end the connection answers or is closed well."""
    own = {"subprotocol": MSGPACK} if packed else {}
    async with SocketClient(server.url, access_token(world.alice), **own) as client:
        end = await said(client, messages, packed=packed)
    assert end is None or end in CLOSE_CODES, f"cut off: {end}"
    for frame in client.frames:
        assert frame["type"] in {*ANSWERS, *event_forms()}, frame
        if frame["type"] == "Error":
            assert frame["data"].keys() == {"code", "message"}
            assert frame["data"]["code"] in KINDS
            assert not [word for word in WORDS if word in frame["data"]["message"]], frame


async def said(client: SocketClient, messages: list[Any], *, packed: bool) -> int | None:
    """Say it, and wait for an answer to something harmless; None, or the code the connection was closed with."""
    try:
        for message in messages:
            await client.socket.send(encoded(message, packed=packed))
        await client.ask("Ping", id="the last")
    except websockets.ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    return None


def encoded(message: Any, *, packed: bool) -> str | bytes:
    if isinstance(message, str | bytes):
        return message
    return msgspec.msgpack.encode(message) if packed else json.dumps(message)


@pytest.mark.parametrize("packed", [False, True], ids=["json", "messagepack"])
def test_whatever_a_client_says_is_answered_by_the_protocol(server: LiveServer, world: World, packed: bool) -> None:
    topics = [world.family_topic, world.account_topic, world.user_topic("bob"), "global", "staff"]
    small = st.integers(-(2**63), 2**64 - 1)
    anything = near(topics) | values | st.text(max_size=50) | st.binary(max_size=50)
    message = anything.filter(lambda each: fits(each, packed))

    @FEW
    @given(messages=st.lists(message | small, max_size=15))
    def say(messages: list[Any]) -> None:
        asyncio.run(talk(server, world, messages, packed=packed))

    say()


def fits(message: Any, packed: bool) -> bool:
    """Whether the form can hold it: what cannot be written cannot be sent."""
    try:
        encoded(message, packed=packed)
    except (OverflowError, UnicodeEncodeError, ValueError):
        return False
    return not isinstance(message, str) or not any("\ud800" <= char <= "\udfff" for char in message)


def test_whatever_is_asked_in_a_query_is_answered_by_the_protocol(server: LiveServer, world: World) -> None:
    cursor = Place(world.start)
    text = st.text(st.characters(codec="utf-8"), max_size=30)
    fields = ["cursor", "topics", "auto", "limit", "resource", "family_id", "account_id", "x", "refuse"]
    query = st.dictionaries(
        st.sampled_from(fields) | text,
        st.sampled_from([world.start, world.family_topic, "global", "0", "1", "accounts"]) | cursor.altered() | text,
        max_size=5,
    )

    with httpx.Client(base_url=server.url, timeout=TIMEOUT, trust_env=False) as http:
        http.headers["Authorization"] = f"Bearer {access_token(world.alice)}"

        @FEW
        @given(query=query)
        def ask(query: dict[str, str]) -> None:
            for path in ("/api/v1/events", "/api/v1/snapshot"):
                check_answer(http.get(path, params=query))
            with http.stream("GET", "/api/v1/stream", params=query) as answer:
                if answer.status_code != 200:
                    answer.read()
                    check_answer(answer)

        ask()


class Place:
    """A good cursor, and what is nearly one."""

    def __init__(self, good: str) -> None:
        self._good = good

    def altered(self) -> st.SearchStrategy[str]:
        at = st.integers(0, len(self._good) - 1)
        return st.tuples(at, st.characters(codec="utf-8")).map(
            lambda change: self._good[: change[0]] + change[1] + self._good[change[0] + 1 :]
        )


def check_answer(answer: httpx.Response) -> None:
    """One of the documented statuses, and a refusal in the protocol's form."""
    assert answer.status_code in STATUSES, answer.text
    if answer.status_code != 200:
        body = answer.json()
        assert body.keys() == {"code", "message"}, body
        assert body["code"] in KINDS
        assert KINDS[body["code"]].http_status == answer.status_code
        assert not [word for word in WORDS if word in body["message"]], body
