"""Access that is taken away is gone at once, on every transport, for who is there and for who comes back."""

from __future__ import annotations

from uuid import UUID

import pytest

from accounts.models import Membership
from ledger.models import Account, AccountShare, Transaction
from ledger.services import notices
from ledger.topics import account_topic
from tests.clients import Client, PollClient, SocketClient, access_token
from tests.contract.checks import on
from tests.contract.world import World, drained, money, open_account, work
from tests.live import LiveServer

pytestmark = pytest.mark.once

REVOKED_WITHIN = 2.0  # seconds, as the protocol promises; a poll is told when it comes


def unshare(world: World) -> list[str]:
    """Take the shared account from bob; return the topics that he loses."""
    AccountShare.objects.filter(account=world.shared, user=world.bob).delete()
    return [str(account_topic(world.shared.pk))]


def put_out(world: World) -> list[str]:
    """Take bob out of the family."""
    Membership.objects.filter(user=world.bob).update(is_active=False)
    return [world.family_topic, str(account_topic(world.shared.pk))]


def write_everywhere(world: World) -> None:
    """Write what bob may no longer hear, and then what he still may."""
    for account in (world.shared, world.account):
        Transaction.objects.create(account=account, amount=money("-1"))
    notices.send("the last word", user=world.bob)


@pytest.mark.parametrize("take", [unshare, put_out], ids=lambda take: take.__name__)
async def test_who_is_there_is_told_and_hears_nothing_more(
    server: LiveServer, world: World, transport: type[Client], take: object
) -> None:
    assert callable(take)
    await drained()
    async with transport(server.url, access_token(world.bob), cursor=world.start) as client:
        await client.events(1)
        lost = await work(take, world)
        told = {(await client.next("Unsubscribed", timeout=REVOKED_WITHIN + 5))["data"]["topic"]}
        await work(write_everywhere, world)
        await client.wait_for(lambda frame: frame["type"] == "Notification")

    told |= {frame["data"]["topic"] for frame in client.frames if frame["type"] == "Unsubscribed"}
    assert set(lost) <= told
    for topic in lost:
        assert not [event for event in on(topic, client.received) if event["type"] == "TransactionUpdate"]


@pytest.mark.parametrize("take", [unshare, put_out], ids=lambda take: take.__name__)
async def test_who_was_away_is_told_once_when_they_come_back(
    server: LiveServer, world: World, transport: type[Client], take: object
) -> None:
    assert callable(take)
    await drained()
    lost = await work(take, world)
    await work(write_everywhere, world)
    await drained()
    async with transport(server.url, access_token(world.bob), cursor=world.start) as client:
        await client.wait_for(lambda frame: frame["type"] == "Notification")
    await work(notices.send, "one more", user=world.bob)
    async with transport(server.url, access_token(world.bob), cursor=client.cursor) as again:
        await again.next("Notification")

    told = [frame for frame in client.frames if frame["type"] == "Unsubscribed"]
    assert set(lost) <= {frame["data"]["topic"] for frame in told}
    assert {frame["data"]["reason"] for frame in told} == {"revoked"}
    assert all(frame.keys() == {"type", "data"} for frame in told)
    assert not [frame for frame in again.frames if frame["type"] == "Unsubscribed"]
    assert not [event for event in client.received if event["topic"] in lost]


async def test_what_was_taken_and_given_back_while_away_is_not_said_to_be_taken(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    await work(unshare, world)
    await work(AccountShare.objects.create, account=world.shared, user=world.bob)
    await work(write_everywhere, world)
    await drained()
    async with transport(server.url, access_token(world.bob), cursor=world.start) as client:
        await client.wait_for(lambda frame: frame["type"] == "Notification")

    assert not [frame for frame in client.frames if frame["type"] == "Unsubscribed"]
    heard = on(str(account_topic(world.shared.pk)), client.received)
    assert "TransactionUpdate" in {event["type"] for event in heard}


async def test_a_poll_that_brings_nothing_says_nothing_of_what_was_taken(server: LiveServer, world: World) -> None:
    async with PollClient(server.url, access_token(world.bob)) as client:
        answer = await client.poll()

    assert answer.keys() == {"events", "cursor", "has_more", "reset", "poll_interval_ms"}


async def test_what_was_given_and_taken_before_it_was_taken_up_is_said_to_be_taken(
    server: LiveServer, world: World
) -> None:
    """A snapshot fetched in between may show it."""
    topics = [str(account_topic(await work(open_and_close, world))) for _ in range(5)]
    async with SocketClient(server.url, access_token(world.alice), cursor=world.start) as client:
        topics += [str(account_topic(await work(open_and_close, world))) for _ in range(5)]
        await work(notices.send, "the last word", user=world.alice)
        await client.wait_for(lambda frame: frame["type"] == "Notification")
        told = {frame["data"]["topic"] for frame in client.frames if frame["type"] == "Unsubscribed"}
        while not set(topics) <= told:
            told.add((await client.next("Unsubscribed"))["data"]["topic"])


def open_and_close(world: World) -> UUID:
    """Have an account of alice's own, for a moment."""
    account = open_account(world.family, world.alice, "brief", is_private=True)
    Account.objects.get(pk=account.pk).delete()
    return account.pk
