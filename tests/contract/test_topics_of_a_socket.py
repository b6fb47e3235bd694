"""Which topics a socket is on: from the start, by the query, by its address, and by Subscribe and Unsubscribe."""

from __future__ import annotations

from uuid import UUID

import pytest

from ledger.services import credits as credit
from ledger.services import notices
from ledger.topics import account_topic
from realtime.protocol.cursor import Cursor
from tests.clients import SocketClient, access_token
from tests.contract.checks import TIMESTAMP, logged, newest
from tests.contract.world import World, drained, gateway, money, spend, work
from tests.live import LiveServer


@pytest.mark.parametrize("path", ["/ws", "/ws/", "/v1/ws", "/v1/ws/"])
async def test_the_first_frame_says_who_is_connected_where_and_to_what(
    server: LiveServer, world: World, path: str
) -> None:
    async with SocketClient(server.url, access_token(world.alice), path=path) as client:
        greeting = await client.next()

    data = greeting.pop("data")
    assert greeting.keys() == {"type", "timestamp"}
    assert greeting["type"] == "Connected"
    assert TIMESTAMP.fullmatch(greeting["timestamp"])
    assert data.keys() == {"user_id", "connection_id", "cursor", "topics", "heartbeat", "expires_at"}
    assert data["user_id"] == str(world.alice.pk)
    assert UUID(data["connection_id"]).version == 7
    assert data["heartbeat"] == {"interval": 30, "timeout": 60}
    assert TIMESTAMP.fullmatch(data["expires_at"])
    automatic = [world.user_topic("alice"), world.family_topic, "global"]
    automatic += [str(account_topic(each.pk)) for each in (world.private, world.shared)]
    assert data["topics"] == await work(newest, automatic)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("&topics={account}", {"user", "family", "global", "private", "shared", "account"}),
        ("&topics={account}&auto=0", {"account"}),
        ("&topics={account},{account}&topics={family}&auto=0", {"account", "family"}),
        ("&auto=0", set()),
        ("&auto=1", {"user", "family", "global", "private", "shared"}),
    ],
)
async def test_the_query_adds_topics_and_leaves_out_those_that_come_without_asking(
    server: LiveServer, world: World, query: str, expected: set[str]
) -> None:
    named = {"user": world.user_topic("alice"), "family": world.family_topic, "global": "global"}
    named |= {name: str(account_topic(getattr(world, name).pk)) for name in ("account", "private", "shared")}

    async with SocketClient(server.url, access_token(world.alice), extra=query.format(**named)) as client:
        greeting = await client.next("Connected")

    assert set(greeting["data"]["topics"]) == {named[name] for name in expected}


@pytest.mark.parametrize("kind", ["family", "user", "account", "global", "staff"])
async def test_a_consumer_of_one_kind_is_on_its_one_topic_and_stays_there(
    server: LiveServer, world: World, kind: str
) -> None:
    topics = {"family": world.family_topic, "user": world.user_topic("alice"), "account": world.account_topic}
    topic = topics.get(kind, kind)
    who = world.admin if kind == "staff" else world.alice
    async with SocketClient(server.url, access_token(who), path=f"/ws/{topic.replace(':', '/')}") as client:
        greeting = await client.next("Connected")
        subscribe = await client.ask("Subscribe", {"topic": "global"}, id=1)
        unsubscribe = await client.ask("Unsubscribe", {"topic": topic}, id=2)
        await work(credit.change, world.alice, money("1"), "reward")
        await work(notices.send, "to all")
        await work(spend, world)
        heard = {
            "user": "CreditBalanceUpdate",
            "family": "TransactionUpdate",
            "account": "TransactionUpdate",
            "global": "Notification",
        }
        if kind in heard:
            await client.next(heard[kind])
        assert (await client.ask("Ping"))["type"] == "Pong"

    assert list(greeting["data"]["topics"]) == [topic]
    assert subscribe["data"]["code"] == unsubscribe["data"]["code"] == "unknown_command"
    assert {event["topic"] for event in client.received} <= {topic}


async def test_subscribe_lets_hear_what_comes_from_now_on(server: LiveServer, world: World) -> None:
    await work(spend, world)
    await drained()
    async with gateway(server, world) as client:
        answer = await client.ask("Subscribe", {"topic": world.account_topic}, id="s-1")
        await work(spend, world)
        events = await client.events(2)

    seq = (await work(newest, [world.account_topic]))[world.account_topic] - 2
    assert answer == {
        "type": "Subscribed",
        "reply_to": "s-1",
        "data": {"topic": world.account_topic, "seq": seq, "replayed": 0, "cursor": answer["data"]["cursor"]},
    }
    assert Cursor.parse(answer["data"]["cursor"]).position < Cursor.parse(events[0]["cursor"]).position
    assert [event["seq"] for event in events] == [seq + 1, seq + 2]
    assert not [event for event in events if "replayed" in event]


async def test_subscribe_after_a_place_replays_exactly_what_came_after_it(server: LiveServer, world: World) -> None:
    await work(spend, world, 2)
    await drained()
    entries = await work(logged, [world.account_topic], world.start)
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    for after in range(6):
        async with gateway(server, world) as client:
            answer = await client.ask("Subscribe", {"topic": world.account_topic, "after": after})
            replay = client.received

        assert (answer["data"]["seq"], answer["data"]["replayed"]) == (5, 5 - after)
        assert Cursor.parse(answer["data"]["cursor"]).position >= entries[-1].position
        assert [(event["seq"], event["id"]) for event in replay] == [(each.seq, each.id) for each in entries[after:]]
        assert all(event["replayed"] is True and "cursor" not in event for event in replay)


async def test_subscribing_anew_with_a_place_replays_and_then_goes_on_live_without_a_hole(
    server: LiveServer, world: World
) -> None:
    await work(spend, world, 2)
    await drained()
    async with gateway(server, world, world.account_topic) as client:
        await client.next("Connected")
        answer = await client.ask("Subscribe", {"topic": world.account_topic, "after": 3})
        await work(spend, world)
        await client.events(2)

    assert answer["data"]["replayed"] == 2
    assert [(event["seq"], "cursor" in event) for event in client.received] == [
        (4, False),
        (5, False),
        (6, True),
        (7, True),
    ]


async def test_a_place_ahead_of_the_topic_is_a_reset_before_the_subscription(server: LiveServer, world: World) -> None:
    async with gateway(server, world) as client:
        answer = await client.ask("Subscribe", {"topic": world.account_topic, "after": 99})
        await work(spend, world)
        events = await client.events(2)

    reset = next(frame for frame in client.frames if frame["type"] == "Reset")
    assert reset["data"].keys() == {"reason", "cursor", "topics"}
    assert (reset["data"]["reason"], reset["data"]["topics"]) == ("ahead", {world.account_topic: 1})
    assert (answer["data"]["topic"], answer["data"]["seq"], answer["data"]["replayed"]) == (world.account_topic, 1, 0)
    assert [event["seq"] for event in events] == [2, 3]


async def test_who_is_there_is_told_after_the_subscription_not_before(server: LiveServer, world: World) -> None:
    async with gateway(server, world) as client:
        await client.ask("Subscribe", {"topic": world.family_topic})
        presence = await client.next("PresenceUpdate")

    kinds = [frame["type"] for frame in client.frames]
    assert kinds == ["Connected", "Subscribed", "PresenceUpdate"]
    assert "seq" not in presence
    assert "cursor" not in presence
    assert presence["data"] == {
        "family_id": str(world.family.pk),
        "user_id": str(world.alice.pk),
        "online": True,
    }


async def test_nothing_comes_of_a_topic_after_unsubscribe_until_it_is_subscribed_again(
    server: LiveServer, world: World
) -> None:
    async with gateway(server, world, world.account_topic, "global") as client:
        left = await client.ask("Unsubscribe", {"topic": world.account_topic}, id=7)
        again = await client.ask("Unsubscribe", {"topic": world.account_topic})
        await work(spend, world)
        await work(notices.send, "to all")
        await client.next("Notification")
        unheard = client.received[:-1]
        back = await client.ask("Subscribe", {"topic": world.account_topic, "after": 1})

    assert left == {"type": "Unsubscribed", "reply_to": 7, "data": {"topic": world.account_topic}}
    assert again["data"]["code"] == "not_subscribed"
    assert unheard == []
    assert back["data"]["replayed"] == 2
