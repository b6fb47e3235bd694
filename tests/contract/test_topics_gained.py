"""A topic that somebody is given: they are told where it begins for them, and nothing of it comes twice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from accounts.models import Membership
from ledger.models import Account, AccountShare, Transaction
from ledger.topics import account_topic
from tests.clients import Client, Frame, PollClient, SocketClient, StreamClient, access_token
from tests.contract.world import World, drained, gateway, money, spend, work
from tests.live import LiveServer


def give(account: Account, world: World) -> str:
    """Share an account with charlie, which is told on its topic at once."""
    AccountShare.objects.create(account=account, user=world.charlie)
    return str(account_topic(account.pk))


def write(account: Account, *descriptions: str) -> None:
    """Write transactions on an account."""
    for description in descriptions:
        Transaction.objects.create(account=account, amount=money("-1"), description=description)


def told_of(frames: Sequence[Frame], topic: str) -> list[Frame]:
    """What is said of one topic, its events included."""
    return [frame for frame in frames if topic in (frame.get("topic"), (frame.get("data") or {}).get("topic"))]


@pytest.mark.parametrize("transport", [SocketClient, StreamClient])
async def test_what_came_on_joining_does_not_come_again_to_who_is_cut_off_then_and_nothing_is_missing(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    token = access_token(world.charlie)
    async with transport(server.url, token) as client:
        await client.next("Connected")
        topic = await work(give, world.private, world)
        subscribed = await client.next("Subscribed")
        await client.cut()

    await work(write, world.private, "afterwards")
    async with transport(server.url, token, cursor=client.cursor) as again:
        await again.wait_for(lambda frame: "afterwards" in str(frame))

    begin = subscribed["data"]["seq"] + 1
    assert (subscribed["data"]["topic"], subscribed["data"]["replayed"]) == (topic, 0)
    seqs = [event["seq"] for event in [*client.received, *again.received] if event["topic"] == topic]
    assert seqs == list(range(begin, begin + len(seqs)))


async def test_what_was_asked_for_does_not_come_again_to_who_is_cut_off_when_it_was_said_to_be_whole(
    server: LiveServer, world: World
) -> None:
    async with gateway(server, world, "global") as client:
        await client.next("Connected")
        await work(spend, world)
        await drained()
        await client.ask("Subscribe", {"topic": world.account_topic, "after": 0})
        await client.cut()

    await work(write, world.account, "afterwards")
    async with gateway(server, world, "global", world.account_topic, cursor=client.cursor) as again:
        await again.wait_for(lambda frame: "afterwards" in str(frame))

    assert not {event["seq"] for event in client.received} & {event["seq"] for event in again.received}


async def test_who_was_given_a_topic_while_away_is_told_before_anything_comes_of_it(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    token = access_token(world.charlie)
    async with transport(server.url, token) as client:
        if not isinstance(client, PollClient):
            await client.next("Connected")
    async with SocketClient(server.url, token) as witness:  # until the server has heard of it all
        await witness.next("Connected")
        await work(write, world.private, "before")
        topic = await work(give, world.private, world)
        await work(write, world.private, "since")
        await witness.wait_for(lambda frame: "since" in str(frame))
    async with transport(server.url, token, cursor=client.cursor) as again:
        await again.wait_for(lambda frame: "since" in str(frame))

    first, *events = [frame for frame in told_of(again.frames, topic) if frame["type"] != "Connected"]
    assert (first["type"], first["data"]["replayed"], first["data"]["cursor"]) == ("Subscribed", 0, client.cursor)
    assert events[0]["seq"] == first["data"]["seq"] + 1
    assert "before" not in str(events)


async def test_who_was_out_and_in_again_while_away_is_told_though_they_have_the_topic_as_before(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    """They missed what was said in between, for good: only the present state makes up for it."""
    token, membership = access_token(world.bob), Membership.objects.filter(user=world.bob)
    async with transport(server.url, token, topics=[world.family_topic]) as client:
        if not isinstance(client, PollClient):
            await client.next("Connected")
    async with SocketClient(server.url, token) as witness:  # until the server has heard of it all
        await witness.next("Connected")
        await work(membership.update, is_active=False)
        await work(write, world.account, "meanwhile")
        await work(membership.update, is_active=True)
        await work(write, world.account, "since")
        await witness.wait_for(lambda frame: "since" in str(frame))
    async with transport(server.url, token, topics=[world.family_topic], cursor=client.cursor) as again:
        await again.wait_for(lambda frame: "since" in str(frame))

    subscribed = [frame for frame in again.frames if frame["type"] == "Subscribed"]
    assert [frame["data"]["topic"] for frame in subscribed] == [world.family_topic]
    assert "meanwhile" not in str(again.frames)


async def test_who_comes_back_to_what_they_had_is_told_of_nothing_gained(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    token = access_token(world.bob)
    async with transport(server.url, token) as client:
        if not isinstance(client, PollClient):
            await client.next("Connected")
    await work(write, world.account, "since")
    async with transport(server.url, token, cursor=client.cursor) as again:
        await again.wait_for(lambda frame: "since" in str(frame))

    assert "Subscribed" not in {frame["type"] for frame in again.frames}
