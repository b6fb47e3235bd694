"""Whoever hops from transport to transport, is cut off and comes back, ends with exactly the rows of the log."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from functools import partial

import pytest

from ledger.topics import account_topic
from tests.clients import access_token
from tests.contract.checks import check_complete, check_envelopes, logged
from tests.contract.conftest import Start
from tests.contract.hopper import Hopper
from tests.contract.world import World, drained, work
from tests.live import LiveServer, variables

WRITERS = 8
WRITES = 25  # of each
WRITERS_END_WITHIN = 100.0
LAST_HOPS_WITHIN = 40.0


@pytest.fixture(scope="module")
def workers(start_server: Start) -> LiveServer:
    """Two workers behind one port: to hop is to change the process, too."""
    return start_server(workers=2)


@pytest.mark.timeout(180)
async def test_a_client_that_hops_and_is_cut_while_eight_processes_write_ends_with_the_log_each_row_once(
    workers: LiveServer, world: World
) -> None:
    own = [world.user_topic("alice"), *(str(account_topic(each.pk)) for each in (world.private, world.shared))]
    automatic = [world.family_topic, *own, "global"]
    named = [world.family_topic, world.account_topic]
    hoppers = {
        Hopper([workers.url], access_token(world.alice), cursor=world.start, seed=1): automatic,
        Hopper([workers.url], access_token(world.bob), cursor=world.start, topics=named, seed=2): named,
    }

    written = asyncio.create_task(eight_writers(world))
    async with asyncio.TaskGroup() as group:
        for hopper in hoppers:
            group.create_task(hopper.hop_until(written.done))
    await written
    await drained()
    logs = {hopper: await work(logged, topics, world.start) for hopper, topics in hoppers.items()}
    async with asyncio.timeout(LAST_HOPS_WITHIN):
        for hopper, entries in logs.items():
            await hopper.hop_until(partial(hopper.has_come_to, entries[-1]))

    for hopper, entries in logs.items():
        assert len(entries) > WRITERS * WRITES
        check_complete(hopper.events, entries)
        check_envelopes(hopper.events)
        hopper.check_undisturbed()


async def eight_writers(world: World) -> None:
    """Let processes write, each ``WRITES`` times, until all have ended."""
    module = [sys.executable, "-m", "tests.contract.writer_process", str(world.family.pk)]
    environment = variables(DJANGO_SETTINGS_MODULE="tests.contract.server_settings")
    processes = [
        await asyncio.create_subprocess_exec(*module, str(seed), str(WRITES), env=environment)
        for seed in range(WRITERS)
    ]
    try:
        async with asyncio.timeout(WRITERS_END_WITHIN):
            codes = [await process.wait() for process in processes]
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
    assert codes == [0] * WRITERS
