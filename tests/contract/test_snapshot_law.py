"""State built from a snapshot and later events equals a fresh snapshot, whatever is written, before and meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from ledger.services import notices
from realtime import topics
from tests.clients import TIMEOUT, TRANSPORTS, Client, Frame, SocketClient, access_token, is_event
from tests.contract.checks import logged
from tests.contract.random_writer import RandomWriter
from tests.contract.reader import Reader
from tests.contract.replica import Replica
from tests.contract.scribe import WAYS, Scribe, Write
from tests.contract.world import World, drained, make_world, work
from tests.live import LiveServer

EXAMPLES = 8
PEOPLE = ["alice", "vera"]  # who sees everything there is, and who sees what everybody does


class Lot(NamedTuple):
    """Writes that belong together."""

    writes: list[Write]
    together: bool
    taken_back: bool


NUMBERS = st.integers(min_value=0, max_value=9)
LOTS = st.lists(
    st.builds(
        Lot,
        st.lists(st.builds(Write, st.sampled_from(WAYS), NUMBERS, NUMBERS), min_size=1, max_size=5),
        st.booleans(),
        st.sampled_from([False, False, True]),
    ),
    max_size=4,
)
IS_THOROUGH = settings.get_current_profile_name() == "thorough"
# Cutting an example short asks the server a hundred times over: only when time does not matter.
the_law = settings(
    max_examples=EXAMPLES * (25 if IS_THOROUGH else 1),
    deadline=None,
    phases=[phase for phase in Phase if IS_THOROUGH or phase not in (Phase.shrink, Phase.explain)],
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", TRANSPORTS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("way", ["resources", "lists"])
@the_law
@given(before=LOTS, meanwhile=LOTS, after=LOTS, who=st.sampled_from(PEOPLE))
async def test_a_snapshot_over_http_and_the_events_after_it_are_the_whole_state(
    server: LiveServer,
    kind: type[Client],
    way: str,
    before: list[Lot],
    meanwhile: list[Lot],
    after: list[Lot],
    who: str,
) -> None:
    note(f"{who}: {before=} {meanwhile=} {after=}")
    world = await work(make_world)
    await work(write, world, before)
    async with Reader(server, world, who) as reader:
        writing = asyncio.create_task(work(write, world, meanwhile))
        parts, cursor = await getattr(reader, way)()
        replica = Replica(parts)
        await writing
        async with kind(server.url, access_token(world.people[who]), cursor=cursor) as client:
            await work(write, world, after)
            await follow(client, replica, reader, await end_of(world, who, cursor))

        check_same(replica, Replica((await getattr(reader, way)())[0]))


@pytest.mark.timeout(300)
@the_law
@given(before=LOTS, meanwhile=LOTS, after=LOTS, who=st.sampled_from(PEOPLE))
async def test_a_snapshot_requested_on_a_socket_and_what_it_hears_meanwhile_are_the_whole_state(
    server: LiveServer, before: list[Lot], meanwhile: list[Lot], after: list[Lot], who: str
) -> None:
    note(f"{who}: {before=} {meanwhile=} {after=}")
    world = await work(make_world)
    async with (
        Reader(server, world, who) as reader,
        SocketClient(server.url, access_token(world.people[who])) as client,
    ):
        start = str((await client.next("Connected"))["data"]["cursor"])
        await work(write, world, before)
        asked = len(client.frames)
        writing = asyncio.create_task(work(write, world, meanwhile))
        replica = Replica(await reader.requests(client))
        # What came since the first question may be missing in the answers, or be in them: it is applied either way.
        for frame in client.frames[asked:]:
            await take(frame, replica, reader)
        await writing
        await work(write, world, after)
        await follow(client, replica, reader, await end_of(world, who, start))

        check_same(replica, Replica(await reader.requests(client)))


async def test_snapshots_taken_while_others_write_without_a_pause_lead_to_the_same_state(
    server: LiveServer, world: World
) -> None:
    writing = asyncio.gather(*(work(write_at_random, world, seed) for seed in range(3)))
    replicas: list[tuple[Replica, str]] = []
    async with Reader(server, world, "alice") as reader:
        while not writing.done():
            parts, cursor = await (reader.resources, reader.lists)[len(replicas) % 2]()
            replicas.append((Replica(parts), cursor))
        await writing
        await say_last_word(world, "alice")
        for number, (replica, cursor) in enumerate(replicas):
            kind = TRANSPORTS[number % len(TRANSPORTS)]
            async with kind(server.url, access_token(world.alice), cursor=cursor) as client:
                await follow(client, replica, reader, await last_behind(world, "alice", cursor))
        fresh = Replica((await reader.resources())[0])

    assert len(replicas) >= 3
    for replica, _ in replicas:
        check_same(replica, fresh)


async def follow(client: Client, replica: Replica, reader: Reader, last: set[tuple[str, int]]) -> None:
    """Take in all that comes until the last event of each topic has."""
    missing = last - {(event["topic"], event["seq"]) for event in client.received}
    async with asyncio.timeout(TIMEOUT):
        while missing:
            frame = await client.next()
            await take(frame, replica, reader)
            if is_event(frame):
                missing.discard((frame["topic"], frame["seq"]))


async def take(frame: Frame, replica: Replica, reader: Reader) -> None:
    """Apply an event, and fetch what it brings into sight."""
    assert frame["type"] not in ("Reset", "Error", "Close")
    if frame["type"] == "Unsubscribed":
        replica.lose_account(frame["data"]["topic"].removeprefix("account:"))
    if not is_event(frame):
        return
    replica.apply(frame)
    for account_id in list(replica.wanted):
        replica.add_transactions(account_id, await reader.transactions_of(account_id))


async def end_of(world: World, who: str, cursor: str) -> set[tuple[str, int]]:
    """Say a last word, and return the last place behind the cursor of each topic that the user hears without asking."""
    await say_last_word(world, who)
    return await last_behind(world, who, cursor)


async def say_last_word(world: World, who: str) -> None:
    """Tell the user something, and let the log take it in."""
    await work(notices.send, "the last word", user=world.people[who])
    await drained()


async def last_behind(world: World, who: str, cursor: str) -> set[tuple[str, int]]:
    """The last place behind the cursor of each topic that the user hears without asking."""
    entries = await work(lambda: logged(topics.automatic(world.people[who]), cursor))
    return set({entry.topic: entry.seq for entry in entries}.items())


def write(world: World, lots: Sequence[Lot]) -> None:
    """Write it all."""
    scribe = Scribe(world)
    for lot in lots:
        scribe.write(lot.writes, together=lot.together, taken_back=lot.taken_back)


def write_at_random(world: World, seed: int) -> None:
    """Write for a while."""
    writer = RandomWriter(world.family.pk, seed)
    for _ in range(30):
        writer.write()


def check_same(built: Replica, fresh: Replica) -> None:
    """Both know the same, part by part and row by row."""
    for part, known in fresh.view().items():
        found = built.view()[part]
        if isinstance(known, dict):
            assert found.keys() == known.keys(), part
            for id, row in known.items():
                # Lists give an account's number in full to some, events to nobody.
                assert found[id] | {"number": ""} == row | {"number": ""}, part
        else:
            assert found == known, part
