"""The commands of a socket, in every spelling and form: what each is answered with, and what follows from it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from ledger.models import Payee, Transaction
from ledger.services import credits as credit
from ledger.services import notices
from realtime.models import Receipt
from tests.clients import MSGPACK, TIMEOUT, Frame, SocketClient, access_token
from tests.contract.checks import TIMESTAMP, check_complete, check_envelopes, logged
from tests.contract.world import World, drained, gateway, money, spend, work
from tests.live import LiveServer

pytestmark = pytest.mark.once

RESOURCES: list[tuple[str, dict[str, str]]] = [
    ("accounts", {}),
    ("account_balance", {"account_id": "{account}"}),
    ("transactions", {"account_id": "{account}"}),
    ("transactions", {"family_id": "{family}"}),
    ("credit_balance", {}),
    ("notifications", {}),
    ("payee_suggestions", {"family_id": "{family}", "description": "tea hous"}),
    ("presence", {"family_id": "{family}"}),
]


@pytest.mark.parametrize(("resource", "form"), RESOURCES)
async def test_request_answers_each_resource_as_the_snapshot_over_http_does(
    server: LiveServer, world: World, resource: str, form: dict[str, str]
) -> None:
    await work(fill, world)
    params = {key: each.format(account=world.account.pk, family=world.family.pk) for key, each in form.items()}
    async with gateway(server, world, world.family_topic) as client:
        await client.next("PresenceUpdate")
        answer = await client.ask("Request", {"resource": resource, "params": params}, id="r")
        snapshot = await over_http(server, access_token(world.alice), resource, params)

    assert answer.keys() == {"type", "reply_to", "data"}
    assert answer["data"].keys() == {"resource", "params", "result", "cursor"}
    assert (answer["type"], answer["data"]["resource"], answer["data"]["params"]) == ("Response", resource, params)
    assert answer["data"]["result"] == snapshot["result"]
    assert answer["data"]["result"]


async def test_the_figures_are_for_staff(server: LiveServer, world: World) -> None:
    async with gateway(server, world, who="admin") as staff, gateway(server, world) as client:
        figures = await staff.ask("Request", {"resource": "stats"})
        refused = await client.ask("Request", {"resource": "stats"})

    assert figures["type"] == "Response"
    assert refused["data"]["code"] == "not_found"


async def test_a_limit_is_kept(server: LiveServer, world: World) -> None:
    await work(spend, world, 3)
    params = {"account_id": str(world.account.pk), "limit": 2}
    async with gateway(server, world) as client:
        answer = await client.ask("Request", {"resource": "transactions", "params": params})

    assert len(answer["data"]["result"]) == 2


async def test_what_comes_after_the_cursor_of_a_response_is_all_that_it_lacks(server: LiveServer, world: World) -> None:
    params = {"account_id": str(world.account.pk)}
    async with gateway(server, world, world.account_topic) as client:
        await client.next("Connected")
        await work(spend, world)
        answer = await client.ask("Request", {"resource": "transactions", "params": params})
    await drained()
    entries = await work(logged, [world.account_topic], answer["data"]["cursor"])

    known = {row["id"] for row in answer["data"]["result"]}
    told = {json.loads(each.data)["transaction_id"] for each in entries if each.type == "TransactionUpdate"}
    assert known | told == {str(each) for each in await work(ids_of, world)}


async def test_an_ack_is_never_answered_and_harmless_when_repeated_or_unknown(server: LiveServer, world: World) -> None:
    async with gateway(server, world, world.user_topic("alice")) as client:
        await client.next("Connected")
        await work(notices.send, "for you", user=world.alice)
        await work(credit.change, world.alice, money("1"), "reward")
        notice, update = await client.events(2)
        for id in (notice["id"], notice["id"], update["id"], str(uuid4())):
            await client.send("Ack", {"message_id": id}, id="ack")
        pong = await client.ask("Ping")

    receipts = await work(lambda: list(Receipt.objects.filter(user=world.alice).values_list("event_id", "transport")))
    assert (notice["ack"], "ack" in update) == (True, False)
    assert pong == {"type": "Pong", "reply_to": "ask"}
    assert receipts == [(UUID(notice["id"]), "websocket")]
    assert [frame["type"] for frame in client.frames] == ["Connected", "Notification", "CreditBalanceUpdate", "Pong"]


async def test_a_pong_is_never_answered(server: LiveServer, world: World) -> None:
    async with gateway(server, world) as client:
        await client.send("Pong", id=1)
        await client.ask("Ping", id=2)

    assert [frame["type"] for frame in client.frames] == ["Connected", "Pong"]


async def test_a_fresh_token_of_the_same_user_lets_the_connection_outlive_the_first(
    server: LiveServer, world: World
) -> None:
    brief = access_token(world.alice, timedelta(seconds=3))
    async with (
        SocketClient(server.url, brief, topics=[world.account_topic]) as renewed,
        SocketClient(server.url, brief, topics=[world.account_topic]) as expired,
    ):
        greeting = await renewed.next("Connected")
        answer = await renewed.ask("Authenticate", {"token": access_token(world.alice)}, id="a")
        assert await expired.close_code() == 4401
        await work(spend, world)
        await renewed.events(2)

    assert answer.keys() == {"type", "reply_to", "data"}
    assert answer["type"] == "Authenticated"
    assert TIMESTAMP.fullmatch(answer["data"]["expires_at"])
    assert answer["data"]["expires_at"] > greeting["data"]["expires_at"]


async def test_another_users_or_an_expired_token_is_refused_and_changes_nothing(
    server: LiveServer, world: World
) -> None:
    tokens = [access_token(world.bob), access_token(world.alice, timedelta(seconds=-1)), "rubbish"]
    async with gateway(server, world, world.user_topic("alice")) as client:
        answers = [await client.ask("Authenticate", {"token": token}) for token in tokens]
        await work(credit.change, world.bob, money("1"), "reward")
        await work(credit.change, world.alice, money("2"), "reward")
        (event,) = await client.events(1)

    assert [answer["data"]["code"] for answer in answers] == ["forbidden", "unauthenticated", "unauthenticated"]
    assert not [answer for answer in answers if any(token in json.dumps(answer) for token in tokens)]
    assert event["data"]["change"] == "2.00"


@pytest.mark.parametrize("key", ["command", "type"])
@pytest.mark.parametrize("spell", [str.lower, str.upper, str, str.swapcase], ids=lambda spell: spell.__name__)
async def test_every_command_may_be_spelt_in_any_case_and_by_either_key(
    server: LiveServer, world: World, key: str, spell: Any
) -> None:
    asked: list[tuple[str, Frame, str]] = [
        ("Subscribe", {"topic": world.account_topic}, "Subscribed"),
        ("Unsubscribe", {"topic": world.account_topic}, "Unsubscribed"),
        ("Request", {"resource": "accounts"}, "Response"),
        ("Authenticate", {"token": access_token(world.alice)}, "Authenticated"),
        ("Ack", {"message_id": str(uuid4())}, ""),
        ("Pong", {}, ""),
        ("Ping", {}, "Pong"),
    ]
    async with gateway(server, world) as client:
        await client.next("Connected")
        for name, data, _ in asked:
            await client.socket.send(json.dumps({key: spell(name), "data": data}))
        await client.next("Pong")

    assert [frame["type"] for frame in client.frames[1:]] == [answer for _, _, answer in asked if answer]


@pytest.mark.parametrize("id", ["a", "", "x" * 128, 0, -1, 2**53 - 1, "Привет"])
async def test_an_answer_bears_the_id_of_its_command_and_without_one_none(
    server: LiveServer, world: World, id: str | int
) -> None:
    async with gateway(server, world) as client:
        await client.next("Connected")
        pong = await client.ask("Ping", id=id)
        error = await client.ask("Subscribe", {"topic": "nothing"}, id=id)
        await client.send("Ping")
        bare = await client.next("Pong")

    assert pong == {"type": "Pong", "reply_to": id}
    assert (error["reply_to"], error["data"]["code"]) == (id, "forbidden")
    assert bare == {"type": "Pong"}


async def test_messagepack_carries_the_same_messages(server: LiveServer, world: World) -> None:
    topics = [world.family_topic, world.account_topic]
    packed = gateway(server, world, *topics, cursor=world.start, subprotocol=MSGPACK)
    plain = gateway(server, world, *topics, cursor=world.start, subprotocol="realtime.v1")
    async with packed, plain:
        await work(spend, world)
        await drained()
        entries = await work(logged, topics, world.start)
        for client in (packed, plain):
            await client.events(len(entries))
            await client.ask("Request", {"resource": "accounts"}, id=1)
            await client.ask("Subscribe", {"topic": world.account_topic, "after": 0}, id=2)
            await client.ask("Unsubscribe", {"topic": world.account_topic}, id=3)
            await client.ask("Subscribe", {"topic": "nothing"}, id=4)

    first = packed.received[: len(entries)]
    check_complete(first, entries)
    check_envelopes(first)
    assert (packed.socket.subprotocol, plain.socket.subprotocol) == (MSGPACK, "realtime.v1")
    assert said(packed) == said(plain)


def said(client: SocketClient) -> list[Frame]:
    """All that came, without what may differ between two connections to the same topics."""
    frames = [frame for frame in client.frames if frame["type"] not in ("Connected", "PresenceUpdate")]
    return [{key: value for key, value in frame.items() if key != "replayed"} for frame in frames]


def ids_of(world: World) -> list[UUID]:
    """The transactions of the account."""
    return list(Transaction.objects.filter(account=world.account).values_list("pk", flat=True))


def fill(world: World) -> None:
    """Have something of everything."""
    payee = Payee.objects.create(family=world.family, name="Tea House")
    Transaction.objects.create(account=world.account, amount=money("-3"), description="tea house", payee=payee)
    credit.change(world.alice, money("5"), "reward")
    notices.send("Hello", "to you", user=world.alice)


async def over_http(server: LiveServer, token: str, resource: str, params: dict[str, str]) -> Any:
    """The same resource by ``GET /api/v1/snapshot``."""
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, trust_env=False) as http:
        query = {"resource": resource, **params}
        answer = await http.get("/api/v1/snapshot", params=query, headers={"Authorization": f"Bearer {token}"})
    assert answer.headers["X-Cursor"] == answer.json()["cursor"]
    return answer.json()
