"""Several server processes on one log, and a writer in yet another: each serves all of it, however far behind it is."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest

from realtime import log
from tests.clients import Client, SocketClient, access_token
from tests.contract.checks import check_complete, check_envelopes, logged, no_reset
from tests.contract.conftest import Start
from tests.contract.hopper import Hopper
from tests.contract.random_writer import RandomWriter
from tests.contract.world import World, drained, gateway, spend, work
from tests.live import LiveServer
from tests.processes import frozen, workers_of

pytestmark = pytest.mark.once

TICK = 3600.0  # seconds between two looks of the slow server: none while this lasts
WRITES = 100
STAYS = 12


@pytest.fixture(scope="module")
def slow(start_server: Start) -> LiveServer:
    """A server that hears of nothing, and looks only when somebody comes who has seen more than it has."""
    return start_server(environment={"REDIS_URL": ""}, realtime={"TICK": TICK})


@pytest.fixture(scope="module")
def pair(start_server: Start) -> LiveServer:
    """Two processes behind one port."""
    return start_server(workers=2)


@pytest.fixture(scope="module")
def sleeper(start_server: Start) -> LiveServer:
    """A server of one process, to be frozen."""
    return start_server()


async def one_on_each(stack: AsyncExitStack, pair: LiveServer, world: World) -> dict[int, SocketClient]:
    """Connect one client to each process; return them by process."""
    found: dict[int, SocketClient] = {}
    workers = workers_of(pair.pid)
    await drained()  # nobody is stopped with the head of the log in their hands
    for worker in workers:
        with frozen(*(other for other in workers if other != worker)):
            client = gateway(pair, world, world.account_topic, world.family_topic, cursor=world.start)
            await stack.enter_async_context(client)
        found[client.server_process()] = client
    assert sorted(found) == sorted(workers)
    return found


async def test_two_processes_behind_one_port_both_serve_every_event_of_a_third(pair: LiveServer, world: World) -> None:
    topics = [world.account_topic, world.family_topic]
    async with AsyncExitStack() as stack:
        clients = await one_on_each(stack, pair, world)
        await work(spend, world, 5)
        await drained()
        entries = await work(logged, topics, world.start)
        for client in clients.values():
            await client.events(len(entries))

    for client in clients.values():
        check_complete(client.received, entries)
        check_envelopes(client.received)


async def test_who_comes_from_the_faster_server_to_the_slower_gets_nothing_twice_and_no_reset(
    server: LiveServer, slow: LiveServer, world: World, transport: type[Client]
) -> None:
    topics, token = [world.account_topic, world.family_topic], access_token(world.alice)
    async with gateway(slow, world, *topics, cursor=world.start) as witness:
        await witness.events(3)
        await work(spend, world)
        async with SocketClient(server.url, token, topics=topics, cursor=world.start) as fast:
            before = await fast.events(7)
            behind = len(witness.received)
        async with transport(slow.url, token, topics=topics, cursor=fast.cursor) as client:
            await work(spend, world)
            await drained()
            await wake(slow, world)
            after = await client.events(4)
            await witness.events(8)
    await drained()
    entries = await work(logged, topics, world.start)

    assert behind == 3  # the slow server did not know what the client had seen
    check_complete([*before, *after], entries)
    check_envelopes([*before, *after])
    check_complete(witness.received, entries)
    no_reset(client)


async def test_whoever_hops_between_a_fast_and_a_slow_server_ends_with_the_log_each_row_once(
    server: LiveServer, slow: LiveServer, world: World
) -> None:
    topics = [world.family_topic, world.account_topic]
    hopper = Hopper(
        [server.url, slow.url],
        access_token(world.bob),
        cursor=world.start,
        topics=topics,
        seed=WRITES,
        longest_stay=0.3,
    )
    writing = asyncio.create_task(work(write_at_random, world))
    await hopper.hop_until(lambda: writing.done() and len(hopper.stays) >= STAYS)
    await writing
    await drained()
    entries = await work(logged, topics, world.start)
    async with asyncio.timeout(30):
        await hopper.hop_until(partial(hopper.has_come_to, entries[-1]))

    check_complete(hopper.events, entries)
    check_envelopes(hopper.events)
    hopper.check_undisturbed()


async def test_a_server_that_was_frozen_catches_up_and_disturbs_nobody_who_comes_to_it(
    server: LiveServer, sleeper: LiveServer, world: World, transport: type[Client]
) -> None:
    topics, token = [world.account_topic, world.family_topic], access_token(world.alice)
    place = {"cursor": world.start, "topics": topics}
    async with SocketClient(server.url, token, **place) as awake, SocketClient(sleeper.url, token, **place) as stuck:
        for client in (awake, stuck):
            await client.events(3)
        await drained()  # nobody is stopped with the head of the log in their hands
        with frozen(stuck.server_process()):
            await work(spend, world, 3)
            await awake.events(12)
            late = transport(sleeper.url, token, cursor=awake.cursor, topics=topics)
            connecting = asyncio.create_task(late.open())
            await asyncio.sleep(0)
        await connecting
        await work(spend, world)
        for client in (awake, late):
            await client.events(4)
        await stuck.events(16)
        await late.close()
    await drained()
    entries = await work(logged, topics, world.start)

    check_complete(awake.received, entries)
    check_complete(stuck.received, entries)
    check_complete(late.received, entries[-4:])
    for client in (awake, stuck, late):
        no_reset(client)


async def test_subscribing_anew_where_the_server_is_behind_counts_only_what_was_sent(
    slow: LiveServer, world: World
) -> None:
    async with gateway(slow, world, world.account_topic) as client:
        await client.next("Connected")
        await work(spend, world, 2)
        await drained()
        answer = await client.ask("Subscribe", {"topic": world.account_topic})
        counted = [event["seq"] for event in client.received]
        await work(spend, world)
        await drained()
        await wake(slow, world)
        await client.events(2)

    assert (answer["data"]["seq"], answer["data"]["replayed"]) == (5, 4)
    assert counted == [2, 3, 4, 5]
    assert [event["seq"] for event in client.received] == [2, 3, 4, 5, 6, 7]


async def wake(slow: LiveServer, world: World) -> None:
    """Have the slow server look: who connects has seen the end of the log."""
    async with gateway(slow, world, "global", cursor=await work(log.present_cursor)) as newcomer:
        await newcomer.ask("Ping")


def write_at_random(world: World) -> None:
    """Write for a while."""
    writer = RandomWriter(world.family.pk, seed=WRITES)
    for _ in range(WRITES):
        writer.write()
