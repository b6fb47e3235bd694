"""Coming back with a cursor: what was missed comes whole, once and in order, and then what comes."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import Any

import pytest
from django.db import connections
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import User
from realtime import log
from realtime.access import present
from realtime.outbox import end_sessions, rights_changed
from realtime.protocol.cursor import Cursor
from realtime.protocol.errors import ProtocolError
from realtime.protocol.subscriber import DELIVER
from realtime.resume import pages, replay
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import (
    Recorder,
    connect,
    cursor_at,
    fill,
    grow,
    in_transaction,
    newest,
    opened,
    opening,
    prune_all,
    sequence,
    standing,
    tell,
    until,
    wanted,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet", "small_pages")]

GLOBAL = topic("global")


# Replay


async def test_a_replay_brings_what_was_missed_then_what_comes(alice: User, smith: Topic) -> None:
    cursor = await run_db(newest)
    await run_db(lambda: fill(*range(1, 12), to=[smith]))
    async with standing() as hub:
        member = await connect(hub, alice, smith, cursor=cursor)
        await grow(hub, 12, to=[smith])

        assert member.said == list(range(1, 13))
        assert [frame.replayed for frame in member.frames] == [True] * 11 + [False]
        assert [frame.entry.position for frame in member.frames] == sorted(
            frame.entry.position for frame in member.frames
        )


async def test_a_client_from_a_faster_process_waits_and_gets_no_reset(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        await run_db(lambda: fill(1, 2, to=[smith]))
        assert hub.follower.position < (await run_db(newest)).position

        member = await connect(hub, alice, smith, cursor=await run_db(newest))
        await grow(hub, 3, to=[smith])

        assert member.said == [3]


@pytest.mark.parametrize("where", ["in the log", "in the tail"])
async def test_a_replay_sends_no_more_than_the_client_takes(
    alice: User, smith: Topic, settings: Settings, where: str
) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE": 500, "UNSENT_BYTES": 20_000}
    if where == "in the tail":
        settings.REALTIME = {**settings.REALTIME, "TAIL_EVENTS": 1000}
    cursor = await run_db(newest)
    if where == "in the log":
        await run_db(lambda: fill(*range(60), to=[smith], data="x" * 3000))
    async with standing() as hub:
        if where == "in the tail":
            await grow(hub, *range(60), to=[smith], data="x" * 3000)

        member = await connect(hub, alice, smith, cursor=cursor)

        assert member.numbers == list(range(60))
        assert member.most_unsent <= 20_000


@pytest.mark.parametrize("where", ["in the log", "in the tail", "at once"])
async def test_who_is_gone_is_sent_no_more_and_never_joins(
    alice: User, smith: Topic, settings: Settings, where: str
) -> None:
    if where != "in the log":
        settings.REALTIME = {**settings.REALTIME, "TAIL_EVENTS": 1000}
    if where == "at once":
        settings.REALTIME = {**settings.REALTIME, "PAGE": 500}
    cursor = await run_db(newest)
    async with standing() as hub:
        await grow(hub, *range(1, 30), to=[smith])

        async def leave() -> None:
            member.is_open = len(member.said) < 2

        member = await opened(hub, alice, smith, cursor=cursor)
        member.between_pages = leave
        member.is_open = where != "at once"
        await replay(hub, member, lambda: present(alice), wanted(smith))
        await grow(hub, 30, to=[smith])

        assert member.said == ([] if where == "at once" else [1, 2])
        assert not hub.has(member)


async def test_control_entries_on_the_way_are_obeyed_before_anything_later(alice: User, smith: Topic) -> None:
    cursor = await run_db(newest)
    async with standing() as hub:
        member = await opened(hub, alice, smith, GLOBAL, cursor=cursor)
        await run_db(lambda: fill(1, 2, 3, to=[smith]))
        await run_db(lambda: in_transaction(lambda: rights_changed(alice.pk, lost=[smith])))
        await run_db(lambda: fill(4, to=[smith, GLOBAL]))
        await run_db(lambda: in_transaction(lambda: rights_changed(alice.pk, gained=[smith])))
        gained = (await run_db(newest)).position
        await run_db(lambda: fill(*range(5, 12), to=[GLOBAL]))

        await hub.follower.reach((await run_db(newest)).position)
        await replay(hub, member, lambda: present(alice), wanted(smith, GLOBAL))

        assert member.said == [1, 2, 3, ("revoked", smith), 4, ("gained", smith, gained), *range(5, 12)]


async def test_a_replay_stops_where_the_sessions_ended(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await opened(hub, alice, smith)
        await run_db(lambda: fill(1, 2, to=[smith]))
        await run_db(lambda: in_transaction(lambda: end_sessions(alice.pk)))
        ended = await run_db(newest)
        await run_db(lambda: fill(*range(3, 20), to=[smith]))

        await hub.follower.reach((await run_db(newest)).position)
        await replay(hub, member, lambda: present(alice), wanted(smith))

        assert member.said == [1, 2, "ended"]
        assert member.state.cursor == ended
        assert not hub.has(member)


async def test_a_client_this_process_cannot_reach_in_time_is_sent_to_another(
    alice: User, smith: Topic, settings: Settings
) -> None:
    async with standing() as hub:
        member = await opened(hub, alice, smith)
        member.state.position += 1
        settings.REALTIME = {**settings.REALTIME, "START_TIMEOUT": 0.05}

        with pytest.raises(ProtocolError) as refused:
            await replay(hub, member, lambda: present(alice), wanted(smith))

        assert refused.value.code == "unavailable"
        assert not hub.has(member)


# While the log grows


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_whoever_joins_while_the_log_grows_gets_everything_once_and_in_order(
    alice: User, smith: Topic, settings: Settings, seed: int
) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE": 7, "TAIL_EVENTS": 20}
    chance = random.Random(seed)
    started = await run_db(newest)
    async with standing() as hub:

        def write() -> None:
            try:
                for number in range(1, 301):
                    tell(number, to=[smith] if number % 3 else [GLOBAL])
                    if number % 2:
                        hub.follower.nudge(sequence())  # type: ignore[arg-type]
            finally:
                connections.close_all()

        writer = threading.Thread(target=write)
        writer.start()
        members: list[Recorder] = []
        starts: list[int] = []
        while writer.is_alive() or len(members) < 5:
            before = chance.choice(members).state.cursor if members and chance.random() < 0.6 else started
            members.append(await connect(hub, alice, smith, cursor=before))
            starts.append(before.position)
            await asyncio.sleep(0.005)
        writer.join()
        await run_db(sequence)
        hub.follower._doubt.set()
        head = await run_db(newest)
        await until(lambda: hub.follower.position == head.position)

        entries = (await run_db(lambda: log.read(started.position, topics=[smith], limit=1000))).entries
        assert len(entries) == 200
        for member, start in zip(members, starts, strict=True):
            assert [frame.entry for frame in member.frames] == [each for each in entries if each.position > start]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(st.lists(st.sampled_from([0, 1, 2]), max_size=14), st.integers(0, 14), st.integers(0, 20), st.integers(1, 6))
async def test_from_any_cursor_with_any_tail_and_page_exactly_the_rest_arrives(
    alice: User, smith: Topic, settings: Settings, kinds: list[int], at: int, tail: int, page: int
) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE": page, "TAIL_EVENTS": max(tail, 1)}
    base = await run_db(newest)
    async with standing() as hub:
        for number, kind in enumerate(kinds):
            await grow(hub, number, to=[[smith], [GLOBAL], [smith, GLOBAL]][kind])
        entries = (await run_db(lambda: log.read(base.position, limit=100))).entries
        start = base.position + min(at, len(entries))

        member = await connect(hub, alice, smith, cursor=await run_db(cursor_at, start))

        expected = [entry for entry in entries if entry.topic == smith and entry.position > start]
        assert [frame.entry for frame in member.frames] == expected
        hub.leave(member)


# Polling


def polled(user: User, *topics: Topic, cursor: Cursor) -> list[Any]:
    """What polling makes of the same replay: numbers, and why it ended if it did."""
    opened = opening(user, *topics, cursor=cursor)
    said: list[Any] = []
    for page, problem in pages(opened.state, opened.head):
        said += [int(entry.data.partition(":")[2].partition(",")[0]) for entry, order in page if order == DELIVER]
        if problem is not None:
            said.append(problem)
    return said


def test_polling_is_the_same_replay_up_to_the_head(alice: User, smith: Topic) -> None:
    cursor = newest()
    fill(*range(1, 12), to=[smith])
    fill(12, to=[GLOBAL])

    assert polled(alice, smith, cursor=cursor) == list(range(1, 12))
    assert polled(alice, smith, GLOBAL, cursor=cursor) == list(range(1, 13))
    assert polled(alice, smith, cursor=newest()) == []


def test_polling_ends_where_the_floor_rose_in_mid_replay(alice: User, smith: Topic) -> None:
    cursor = newest()
    fill(*range(1, 12), to=[smith])
    opened = opening(alice, smith, cursor=cursor)
    found = []

    for page, problem in pages(opened.state, opened.head):
        found.append((len(page), problem))
        prune_all()

    assert found == [(4, None), (0, "trimmed")]
