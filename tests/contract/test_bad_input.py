"""Whatever a client sends gets the documented error, and the connection goes on; what is too big ends only its own."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import websockets

from tests.clients import MSGPACK, TIMEOUT, Client, SocketClient, access_token
from tests.contract.world import World, make_world
from tests.live import LiveServer

pytestmark = pytest.mark.once

MEBIBYTE = 1024 * 1024
DEEP = 100_000


@pytest.fixture(scope="module")
def world(db: None) -> World:
    """One for all: nothing of it changes here."""
    return make_world()


def command(name: Any, data: Any = None, **others: Any) -> str:
    """A message as text."""
    return json.dumps({"command": name, "data": {} if data is None else data, **others})


BAD: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "bad_json"),
    "no JSON": ("hello", "bad_json"),
    "half of it": ('{"command": "Ping"', "bad_json"),
    "more than one": ('{"command": "Ping"}{"command": "Ping"}', "bad_json"),
    "binary": (b'{"command": "Ping"}', "bad_json"),
    "NaN": ('{"command": "Ping", "data": {"x": NaN}}', "bad_json"),
    "infinity": ('{"command": "Ping", "data": {"x": -Infinity}}', "bad_json"),
    "a number without end": ('{"command": "Ping", "data": {"x": 1e999}}', "bad_json"),
    "a number of 5,000 digits": (f'{{"command": "Ping", "data": {{"x": {"9" * 5000}}}}}', "bad_json"),
    "duplicate keys": ('{"command": "Ping", "command": "Ping"}', "bad_json"),
    "duplicate keys within": ('{"command": "Ping", "data": {"x": {"y": 1, "y": 1}}}', "bad_json"),
    "half a surrogate pair": ('{"command": "Ping", "data": {"x": "\\ud800"}}', "bad_json"),
    "a byte order mark": ('\ufeff{"command": "Ping"}', "bad_json"),
    "100,000 brackets": ("[" * DEEP, "bad_json"),
    "100,000 brackets, closed": ("[" * DEEP + "]" * DEEP, "bad_json"),
    "100,000 objects": ('{"x":' * DEEP + "1" + "}" * DEEP, "bad_json"),
    "100 brackets": (f'{{"command": "Ping", "data": {{"x": {"[" * 100 + "]" * 100}}}}}', "bad_json"),
    "an array": ("[]", "bad_message"),
    "a number": ("1", "bad_message"),
    "null": ("null", "bad_message"),
    "an empty object": ("{}", "bad_message"),
    "a command that is a number": (command(1), "bad_message"),
    "a command that is null": (command(None), "bad_message"),
    "an unknown command": (command("Fly"), "unknown_command"),
    "a command in letters that look alike": (command("Рing"), "unknown_command"),
    "no command at all": (command(""), "unknown_command"),
    "an internal method": (command("__init__"), "unknown_command"),
    "data that is an array": (command("Subscribe", []), "invalid_data"),
    "data that is text": (command("Ping", "x"), "invalid_data"),
    "no topic": (command("Subscribe", {}), "invalid_data"),
    "a topic that is a number": (command("Subscribe", {"topic": 1}), "invalid_data"),
    "a place that is text": (command("Subscribe", {"topic": "global", "after": "1"}), "invalid_data"),
    "a place that is a fraction": (command("Subscribe", {"topic": "global", "after": 1.5}), "invalid_data"),
    "a place that is true": (command("Subscribe", {"topic": "global", "after": True}), "invalid_data"),
    "a place below zero": (command("Subscribe", {"topic": "global", "after": -1}), "invalid_data"),
    "a place beyond 64 bits": (command("Subscribe", {"topic": "global", "after": 2**63}), "invalid_data"),
    "an id that is an object": (command("Ping", id={}), "invalid_data"),
    "an id that is true": (command("Ping", id=True), "invalid_data"),
    "an id of 129 characters": (command("Ping", id="x" * 129), "invalid_data"),
    "an Ack of nothing": (command("Ack", {"message_id": "x"}), "invalid_data"),
    "a resource that is a number": (command("Request", {"resource": 1}), "invalid_data"),
    "params that are an array": (command("Request", {"resource": "accounts", "params": []}), "invalid_data"),
    "a param that nobody knows": (command("Request", {"resource": "accounts", "params": {"x": 1}}), "invalid_data"),
    "an id of nothing": (
        command("Request", {"resource": "account_balance", "params": {"account_id": "x"}}),
        "invalid_data",
    ),
    "too much at once": (
        command("Request", {"resource": "transactions", "params": {"family_id": str(uuid4()), "limit": 10**6}}),
        "invalid_data",
    ),
    "an unknown resource": (command("Request", {"resource": "secrets"}), "unknown_resource"),
    "a topic that was never joined": (command("Unsubscribe", {"topic": "staff"}), "not_subscribed"),
    "a token that is a number": (command("Authenticate", {"token": 1}), "invalid_data"),
    "a token that is none": (command("Authenticate", {"token": "x.y.z"}), "unauthenticated"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_answered_with_its_error_and_the_connection_goes_on(
    server: LiveServer, world: World, name: str
) -> None:
    message, code = BAD[name]
    async with SocketClient(server.url, access_token(world.alice)) as client:
        await client.next("Connected")

        await client.socket.send(message)
        error = await client.next("Error")

        assert error["data"]["code"] == code
        assert error["data"].keys() == {"code", "message"}
        assert "reply_to" not in error
        for word in ("Traceback", 'File "', "SELECT", "Exception", "msgspec"):
            assert word not in error["data"]["message"]
        assert (await client.ask("Ping"))["type"] == "Pong"
        assert len([frame for frame in client.frames if frame["type"] == "Error"]) == 1


@pytest.mark.parametrize("size", [64 * 1024 + 1, MEBIBYTE + 1, 2 * MEBIBYTE])
async def test_a_message_over_the_limit_ends_its_connection_with_1009_and_another_one_works(
    server: LiveServer, world: World, size: int
) -> None:
    token = access_token(world.alice)
    frame = command("Ping", {"x": "x" * size})
    async with SocketClient(server.url, token) as client, SocketClient(server.url, token) as other:
        await client.next("Connected")

        await client.socket.send(frame)

        assert await client.close_code() == 1009
        assert (await other.ask("Ping"))["type"] == "Pong"
    async with SocketClient(server.url, token) as again:
        assert (await again.ask("Ping"))["type"] == "Pong"


async def test_a_message_of_just_the_limit_is_read(server: LiveServer, world: World) -> None:
    padding = 64 * 1024 - len(command("Fly", {"x": ""}))
    async with SocketClient(server.url, access_token(world.alice)) as client:
        await client.socket.send(command("Fly", {"x": "x" * padding}))

        assert (await client.next("Error"))["data"]["code"] == "unknown_command"


async def test_who_sends_nothing_but_rubbish_is_closed_with_4500(server: LiveServer, world: World) -> None:
    async with SocketClient(server.url, access_token(world.alice)) as client:
        for _ in range(25):
            await client.socket.send("rubbish")

        assert await client.close_code() == 4500
        assert [frame["data"]["code"] for frame in client.frames if frame["type"] == "Error"] == ["bad_json"] * 20


async def test_who_sends_too_much_is_told_to_wait_and_in_the_end_closed_with_4429(
    server: LiveServer, world: World
) -> None:
    async with SocketClient(server.url, access_token(world.alice)) as client:
        await client.next("Connected")
        for _ in range(200):
            await client.socket.send(command("Ping"))

        assert await client.close_code() == 4429
        kinds = [frame["type"] for frame in client.frames if frame["type"] in ("Pong", "Error")]
        assert kinds[:60] == ["Pong"] * 60
        errors = [frame["data"]["code"] for frame in client.frames if frame["type"] == "Error"]
        assert errors == ["rate_limited"] * 20


@pytest.mark.parametrize(
    "message",
    [
        '{"command": "Ping"}',
        b"",
        b"\xc1",
        b"\x82\xa7command\xa4Ping\xa7command\xa4Ping",
        b"\x82\xa7command\xa4Ping\xa1x\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
        b"\x82\xa7command\xa4Ping\xa1x\xc4\x01\x00",
        b"\x91" * DEEP,
        b"\xdf\xff\xff\xff\xff",
    ],
    ids=["text", "nothing", "unused", "duplicate keys", "NaN", "bytes", "100,000 arrays", "a lie about its size"],
)
async def test_bad_messagepack_is_bad_json_too(server: LiveServer, world: World, message: str | bytes) -> None:
    async with SocketClient(server.url, access_token(world.alice), subprotocol=MSGPACK) as client:
        await client.next("Connected")

        await client.socket.send(message)

        if len(message) > 64 * 1024:
            assert await client.close_code() == 1009
            return
        assert (await client.next("Error"))["data"]["code"] == "bad_json"
        assert (await client.ask("Ping"))["type"] == "Pong"


@pytest.mark.parametrize(
    "cursor", ["x", "-", "abc-1", "abc-1-zzzz", "abc--1-0000", "abc-99999999999999999999-0000", "a" * 5000]
)
async def test_a_malformed_cursor_is_refused_with_400_on_every_transport(
    server: LiveServer, world: World, transport: type[Client], cursor: str
) -> None:
    client = transport(server.url, access_token(world.alice), cursor=cursor)

    with pytest.raises((httpx.HTTPStatusError, websockets.InvalidStatus)) as refused:
        async with client:
            await client.next()

    answer = refused.value.response
    assert answer.status_code == 400
    assert json.loads(answer.content if isinstance(answer, httpx.Response) else answer.body)["code"] == "bad_message"


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"limit": "0"}, 400, "invalid_data"),
        ({"limit": "-1"}, 400, "invalid_data"),
        ({"limit": "x"}, 400, "invalid_data"),
        ({"limit": "１"}, 400, "invalid_data"),
        ({"topics": ",".join(f"user:{uuid4()}" for _ in range(129))}, 403, "too_many_subscriptions"),
        ({str(number): "x" for number in range(1001)}, 400, "bad_message"),
    ],
    ids=["limit 0", "limit -1", "limit x", "limit in another script", "129 topics", "1,001 fields"],
)
async def test_a_poll_that_makes_no_sense_says_which_part(
    server: LiveServer, world: World, parameters: dict[str, str], status: int, code: str
) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {access_token(world.alice)}"}
        answer = await http.get("/api/v1/events", params=parameters, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_json"),
        (b"{", 400, "bad_json"),
        (b"[]", 400, "invalid_data"),
        (b"{}", 400, "invalid_data"),
        (b'{"message_ids": ["x"]}', 400, "invalid_data"),
        (b'{"message_ids": [], "message_ids": []}', 400, "bad_json"),
        (b'{"message_ids": [' + b"[" * DEEP, 413, "message_too_big"),
        (msgspec.json.encode({"message_ids": [str(uuid4()) for _ in range(1001)]}), 400, "invalid_data"),
    ],
    ids=["nothing", "half", "an array", "no ids", "no id", "duplicate keys", "100,000 brackets", "1,001 ids"],
)
async def test_an_acknowledgement_that_makes_no_sense_is_refused(
    server: LiveServer, world: World, body: bytes, status: int, code: str
) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {access_token(world.alice)}", "Content-Type": "application/json"}
        answer = await http.post("/api/v1/events/ack", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
