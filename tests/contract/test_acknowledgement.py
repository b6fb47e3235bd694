"""Acknowledged delivery on every transport: given again at connect, never after an acknowledgement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from accounts.models import Membership
from ledger.services import notices
from realtime import log
from realtime.models import Receipt
from realtime.protocol.cursor import Cursor
from tests.clients import TIMEOUT, Client, Frame, PollClient, SocketClient, StreamClient, access_token
from tests.contract.conftest import Start
from tests.contract.world import World, drained, spend, work
from tests.live import LiveServer

Acknowledge = Callable[[LiveServer, World, str, str], Awaitable[None]]


async def send(world: World, title: str, **addressee: Any) -> None:
    """Send a notice, to alice if nobody is named."""
    await work(lambda: notices.send(title, **(addressee or {"user": world.alice})))
    await drained()


def client_of(
    kind: type[Client], server: LiveServer, world: World, who: str = "alice", cursor: str | None = None
) -> Client:
    """A client of one of the people, on the topics that come by themselves."""
    return kind(server.url, access_token(world.people[who]), cursor=cursor)


async def until_spent(client: Client, world: World) -> list[Frame]:
    """The notices that come before a transaction that is written now; with it, all that was due has come."""
    await work(spend, world)
    await client.next("TransactionUpdate")
    return [frame for frame in client.frames if frame["type"] == "Notification"]


def titles(frames: list[Frame]) -> list[str]:
    return [frame["data"]["title"] for frame in frames]


async def by_command(server: LiveServer, world: World, who: str, id: str) -> None:
    async with SocketClient(server.url, access_token(world.people[who]), topics=[]) as client:
        await client.send("Ack", {"message_id": id})
        assert (await client.ask("Ping"))["type"] == "Pong"  # commands are done in their order


async def by_post(server: LiveServer, world: World, who: str, *ids: str) -> None:
    headers = {"Authorization": f"Bearer {access_token(world.people[who])}", "User-Agent": "a phone"}
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, trust_env=False) as http:
        answer = await http.post("/api/v1/events/ack", json={"message_ids": list(ids)}, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("with_cursor", [False, True])
async def test_a_notice_is_given_again_at_each_connect_before_what_was_missed(
    server: LiveServer, world: World, transport: type[Client], with_cursor: bool
) -> None:
    await send(world, "First")
    cursor = await work(log.present_cursor) if with_cursor else None
    for _ in range(2):
        async with client_of(transport, server, world, cursor=cursor) as client:
            given = await client.next("Notification")
            place = client.cursor

            assert (given["replayed"], given["ack"], "cursor" in given) == (True, True, False)
            assert (given["seq"], given["data"]["title"]) == (2, "First")  # the membership came before
            if transport is not PollClient:
                assert [frame["type"] for frame in client.frames[:2]] == ["Connected", "Notification"]
                assert place == (cursor or client.frames[0]["data"]["cursor"])


async def test_what_the_replay_brings_comes_once(server: LiveServer, world: World, transport: type[Client]) -> None:
    await send(world, "Old")
    cursor = await work(log.present_cursor)
    await send(world, "Missed")
    async with client_of(transport, server, world, cursor=cursor) as client:
        frames = await until_spent(client, world)

    assert titles(frames) == ["Old", "Missed"]
    assert ["cursor" in frame for frame in frames] == [False, True]


@pytest.mark.parametrize("acknowledge", [by_command, by_post])
async def test_what_was_acknowledged_anywhere_comes_on_no_device_again(
    server: LiveServer, world: World, transport: type[Client], acknowledge: Acknowledge
) -> None:
    await send(world, "Rent", family=world.family)
    async with client_of(SocketClient, server, world) as first:
        id = (await first.next("Notification"))["id"]
    await acknowledge(server, world, "alice", id)
    await acknowledge(server, world, "alice", id)
    async with client_of(transport, server, world) as again, client_of(transport, server, world, "bob") as other:
        mine, theirs = await until_spent(again, world), await until_spent(other, world)

    assert (titles(mine), titles(theirs)) == ([], ["Rent"])


async def test_nobody_acknowledges_for_others_or_what_they_may_not_read(server: LiveServer, world: World) -> None:
    await send(world, "To alice")
    await send(world, "To the family", family=world.family)
    async with client_of(SocketClient, server, world) as client:
        ids = [(await client.next("Notification"))["id"] for _ in range(2)]

    for id in ids:
        await by_command(server, world, "charlie", id)
    await by_post(server, world, "charlie", *ids)
    await by_post(server, world, "bob", *ids)

    who = await work(lambda: list(Receipt.objects.filter(event_id__in=ids).values_list("user__username", "event_id")))
    assert [(name, str(id)) for name, id in who] == [(world.bob.username, ids[1])]


async def test_who_joined_later_is_not_given_it_and_cannot_acknowledge_it(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    await send(world, "Before", family=world.family)
    async with client_of(SocketClient, server, world) as client:
        id = (await client.next("Notification"))["id"]
    await work(lambda: Membership.objects.create(family=world.family, user=world.charlie, role="member"))
    await drained()
    await by_post(server, world, "charlie", id)
    await send(world, "After", family=world.family)
    async with client_of(transport, server, world, "charlie") as client:
        frames = await until_spent(client, world)

    assert titles(frames) == ["After"]
    assert not await work(lambda: Receipt.objects.filter(user=world.charlie).exists())


async def test_a_receipt_says_who_when_on_what(server: LiveServer, world: World) -> None:
    await send(world, "Rent")
    async with client_of(SocketClient, server, world) as client:
        notice = await client.next("Notification")
    await by_command(server, world, "alice", notice["id"])
    await by_post(server, world, "alice", notice["id"])
    await by_post(server, world, "alice", notice["id"])

    rows = await work(lambda: list(Receipt.objects.filter(event_id=notice["id"]).order_by("acked_at")))
    assert [(row.user_id, row.transport) for row in rows] == [(world.alice.pk, "websocket"), (world.alice.pk, "http")]
    assert (rows[0].client.startswith("Python/"), rows[1].client) == (True, "a phone")
    assert {row.about for row in rows} == {f"notification:{notice['data']['notification_id']}"}


@pytest.mark.parametrize("kind", ["user", "family"])
async def test_a_consumer_of_one_topic_gives_again_what_is_on_it(server: LiveServer, world: World, kind: str) -> None:
    await send(world, "user")
    await send(world, "family", family=world.family)
    key = {"user": world.alice.pk, "family": world.family.pk}[kind]
    async with SocketClient(server.url, access_token(world.alice), path=f"/ws/{kind}/{key}") as client:
        await client.next("Notification")
        assert (await client.ask("Ping"))["type"] == "Pong"

    assert titles([frame for frame in client.frames if frame["type"] == "Notification"]) == [kind]


async def test_a_line_of_polls_is_given_it_once_however_long_it_goes_on(server: LiveServer, world: World) -> None:
    await send(world, "Rent")
    client = PollClient(server.url, access_token(world.alice))
    async with client:
        given = await client.next("Notification")
        answers = [await client.poll() for _ in range(3)]
        await work(spend, world)
        await client.next("TransactionUpdate")
        await client.poll()
        cursor = client.cursor
    async with client_of(SocketClient, server, world, cursor=cursor) as socket:
        again = await socket.next("Notification")
        place = socket.cursor
    async with client_of(PollClient, server, world, cursor=place) as climbed_down:
        once_more = await climbed_down.next("Notification")

    assert [answer["events"] for answer in answers] == [[], [], []]
    assert titles([frame for frame in client.frames if frame["type"] == "Notification"]) == ["Rent"]
    assert given["id"] == again["id"] == once_more["id"]


async def test_who_hops_between_transports_keeps_their_place(server: LiveServer, world: World) -> None:
    await send(world, "Rent")
    cursor = world.start
    seen: list[Frame] = []
    for kind in (SocketClient, StreamClient, PollClient, SocketClient, PollClient, StreamClient):
        async with client_of(kind, server, world, cursor=cursor) as client:
            await work(spend, world)
            await client.next("TransactionUpdate")
            await client.next("AccountBalanceUpdate")
            seen += client.received
            cursor = client.cursor

    placed = [frame for frame in seen if "cursor" in frame]
    positions = [Cursor.parse(frame["cursor"]).position for frame in placed]
    assert positions == sorted(set(positions))
    assert titles([frame for frame in placed if frame["type"] == "Notification"]) == ["Rent"]
    assert len([frame for frame in seen if frame["type"] == "Notification"]) == 6


async def test_a_reset_does_not_lose_it(server: LiveServer, world: World, transport: type[Client]) -> None:
    await send(world, "Rent")
    place = Cursor.parse(await work(log.present_cursor))
    cursor = Cursor("elsewhere", place.position, place.check).encode()
    async with client_of(transport, server, world, cursor=cursor) as client:
        await client.next("Reset")
        given = await client.next("Notification")

    assert (given["data"]["title"], "cursor" in given) == ("Rent", False)


async def test_a_withdrawn_or_changed_notice_is_not_given_again_as_it_was(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    def write() -> None:
        gone, changed = (notices.send(title, user=world.alice) for title in ("Gone", "Changed"))
        gone.delete()
        changed.title = "As it is"
        changed.save()

    await work(write)
    await drained()
    async with client_of(transport, server, world) as client:
        frames = await until_spent(client, world)

    assert titles(frames) == ["As it is"]


async def test_what_one_worker_records_the_others_know(start_server: Start, world: World) -> None:
    two = start_server(workers=2)
    await send(world, "Rent")
    async with client_of(SocketClient, two, world) as client:
        id = (await client.next("Notification"))["id"]
    await by_post(two, world, "alice", id)
    given: list[Frame] = []
    for _ in range(8):  # whichever of the two answers
        async with client_of(SocketClient, two, world) as client:
            given += await until_spent(client, world)

    assert given == []
