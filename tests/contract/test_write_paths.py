"""One script on every transport: whatever path wrote it, each change is told once, in its place, with the balance."""

from __future__ import annotations

import pytest

from ledger.models import Transaction
from tests.clients import Client, Frame, PollClient, SocketClient, StreamClient, access_token
from tests.contract.checks import check_complete, check_envelopes, check_lines, logged, no_reset, on
from tests.contract.world import World, drained, work
from tests.contract.writes import FAMILY_PATHS, TRANSACTION_PATHS, Hands, Path, told
from tests.live import LiveServer


@pytest.mark.parametrize("path", TRANSACTION_PATHS, ids=lambda path: path.__name__)
async def test_a_transaction_is_told_alike_by_every_path_on_every_transport(
    server: LiveServer, world: World, transport: type[Client], path: Path
) -> None:
    topics = [world.family_topic, world.account_topic]

    events, expected = await follow(path, transport, server, world, topics)

    whole = on(world.account_topic, events)
    heard = whole[1:]  # the first tells of the account itself
    assert [event["seq"] for event in whole] == list(range(1, len(whole) + 1))
    assert [told(event) for event in heard] == expected
    assert [event["id"] for event in on(world.family_topic, events)[-len(heard) :]] == [event["id"] for event in heard]
    await check_last_state(server, world, heard)


@pytest.mark.parametrize("path", FAMILY_PATHS, ids=lambda path: path.__name__)
async def test_what_a_family_shares_is_told_alike_on_every_transport(
    server: LiveServer, world: World, transport: type[Client], path: Path
) -> None:
    before = len(await work(logged, [world.family_topic], world.start))

    events, expected = await follow(path, transport, server, world, [world.family_topic])

    assert [told(event) for event in events[before:]] == expected


async def follow(
    path: Path, transport: type[Client], server: LiveServer, world: World, topics: list[str]
) -> tuple[list[Frame], list[tuple[str, str, str]]]:
    """Let bob hear what a path does: its first step replayed from before the family was there, the others live."""
    steps = path(world, Hands(world, server.url))
    expected = await work(next, steps)
    await drained()
    past = await work(logged, topics, world.start)
    place = {"cursor": world.start, "topics": topics}
    async with SocketClient(server.url, access_token(world.vera), **place) as witness:
        await witness.events(len(past))  # from now on the server knows of them: to the next client they are the past
    async with transport(server.url, access_token(world.bob), **place) as client:
        await client.events(len(past))
        for more in await work(list, steps):
            expected += more
        await drained()
        entries = await work(logged, topics, world.start)
        await client.events(len(entries) - len(past))

    events = client.received
    check_envelopes(events)
    check_complete(events, entries)
    no_reset(client)
    live = isinstance(client, PollClient)
    assert [event.get("replayed", False) for event in events] == [True] * len(past) + [live] * (len(events) - len(past))
    if isinstance(client, StreamClient):
        check_lines(client)
    return events, expected


async def check_last_state(server: LiveServer, world: World, events: list[Frame]) -> None:
    """The last event of each row is what REST shows of it to vera, who may do the least."""
    vera = Hands(world, server.url, world.vera)
    last = {event["data"]["transaction_id"]: event["data"] for event in events if event["type"] == "TransactionUpdate"}
    rows = await work(vera.rest, "GET", f"transactions?account_id={world.account.pk}")
    assert {row["id"]: row for row in rows["results"]} == {
        id: data["data"] for id, data in last.items() if data["action"] != "deleted"
    }
    account = await work(vera.rest, "GET", f"accounts/{world.account.pk}")
    balances = [event["data"] for event in events if event["type"] == "AccountBalanceUpdate"]
    assert (account["balance"], account["available_balance"]) == (
        balances[-1]["balance"],
        balances[-1]["available_balance"],
    )
    assert len(last) >= await work(Transaction.objects.filter(account=world.account).count)
