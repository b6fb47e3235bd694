"""A cursor that is worth nothing is told so in one form on every transport: never a part, never silence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from realtime import log, pruning
from realtime.protocol.cursor import Cursor
from tests.clients import Client, Frame, SocketClient, StreamClient, access_token
from tests.contract.checks import logged, newest
from tests.contract.conftest import Start
from tests.contract.world import World, drained, gateway, spend, work
from tests.live import LiveServer


def elsewhere(cursor: Cursor) -> Cursor:
    """A cursor of another history."""
    return Cursor("elsewhere", cursor.position, cursor.check)


def unlike(cursor: Cursor) -> Cursor:
    """A cursor of a history that was restored: the same place, another entry there."""
    return Cursor(cursor.epoch, cursor.position, cursor.check ^ 1)


def beyond(cursor: Cursor) -> Cursor:
    """A cursor of what the log does not hold yet."""
    return Cursor(cursor.epoch, cursor.position + 1_000_000, cursor.check)


WORTHLESS = [(elsewhere, "epoch"), (unlike, "epoch"), (beyond, "ahead")]


@pytest.mark.parametrize(("change", "reason"), WORTHLESS, ids=[change.__name__ for change, _ in WORTHLESS])
async def test_a_cursor_that_this_log_never_gave_is_a_reset_and_the_client_goes_on_from_there(
    server: LiveServer, world: World, transport: type[Client], change: object, reason: str
) -> None:
    assert callable(change)
    topics = [world.account_topic, world.family_topic]
    cursor = change(Cursor.parse(world.start)).encode()

    async with transport(server.url, access_token(world.alice), cursor=cursor, topics=topics) as client:
        reset = await client.next("Reset")
        heads = await work(newest, topics)
        await work(spend, world)
        events = await client.events(4)

    check_reset(reset, reason, heads)
    assert len(client.received) == 4  # nothing of before
    assert {event["seq"] - heads[event["topic"]] for event in events} == {1, 2}


async def test_a_pruned_cursor_is_a_reset_and_one_that_is_kept_is_not(
    start_server: Start, world: World, transport: type[Client]
) -> None:
    topics = [world.account_topic]
    await work(spend, world)
    await drained()
    await work(pruning.prune, timezone.now() + timedelta(days=1))
    kept = await work(log.present_cursor)
    await work(spend, world)
    await drained()
    heads = await work(newest, topics)
    server = await work(start_server)  # one that was there before has in memory what the log has no more

    async with transport(server.url, access_token(world.alice), cursor=world.start, topics=topics) as old:
        reset = await old.next("Reset")
    async with transport(server.url, access_token(world.alice), cursor=kept, topics=topics) as young:
        events = await young.events(2)

    check_reset(reset, "trimmed", heads)
    assert old.received == []
    assert [event["seq"] for event in events] == [heads[world.account_topic] - 1, heads[world.account_topic]]
    assert "Reset" not in [frame["type"] for frame in young.frames]


async def test_subscribe_after_what_was_pruned_is_a_reset_before_the_subscription(
    server: LiveServer, world: World
) -> None:
    await work(spend, world)
    await drained()
    await work(pruning.prune, timezone.now() + timedelta(days=1))
    async with gateway(server, world) as client:
        answer = await client.ask("Subscribe", {"topic": world.account_topic, "after": 1})
        await work(spend, world)
        await client.events(2)

    kinds = [frame["type"] for frame in client.frames]
    assert kinds == ["Connected", "Reset", "Subscribed", "TransactionUpdate", "AccountBalanceUpdate"]
    check_reset(client.frames[1], "trimmed", {world.account_topic: 3})
    assert (answer["data"]["seq"], answer["data"]["replayed"]) == (3, 0)


async def test_a_new_epoch_resets_whoever_is_connected_and_they_go_on_from_there(
    server: LiveServer, world: World
) -> None:
    token, topics = access_token(world.alice), [world.account_topic]
    async with (
        SocketClient(server.url, token, topics=topics) as socket,
        StreamClient(server.url, token, topics=topics) as stream,
    ):
        clients: list[Client] = [socket, stream]
        for client in clients:
            await client.next("Connected")
        await work(log.new_epoch)
        resets = [await client.next("Reset") for client in clients]
        await work(spend, world)
        heard = [await client.events(2) for client in clients]
    await drained()
    entries = await work(logged, topics, resets[0]["data"]["cursor"])

    for reset, events in zip(resets, heard, strict=True):
        check_reset(reset, "epoch", {world.account_topic: 1})
        assert [event["id"] for event in events] == [entry.id for entry in entries]


def check_reset(reset: Frame, reason: str, heads: dict[str, int]) -> None:
    """A Reset says why, where to go on, and how far each topic is."""
    assert reset.keys() == {"type", "data"}
    assert reset["data"].keys() == {"reason", "cursor", "topics"}
    assert (reset["data"]["reason"], reset["data"]["topics"]) == (reason, heads)
    assert Cursor.parse(reset["data"]["cursor"]).encode() == reset["data"]["cursor"]
