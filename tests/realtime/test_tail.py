"""The tail gives what a search of all entries would, and a process that begins has one at once."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from realtime import log, tail
from realtime.models import Event
from realtime.outbox import publish
from realtime.protocol.entry import Entry
from realtime.tail import Tail
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import prune_all, restore, sequence, standing

GLOBAL, STAFF = topic("global"), topic("staff")
TOPICS = ("a", "b", "c")


def made(position: int, topic: str) -> Entry:
    return Entry(position, topic, position, str(UUID(int=position)), "Note", "x" * 10, "2026-01-02T03:04:05.678Z")


@given(
    st.integers(0, 5),
    st.lists(st.lists(st.sampled_from(TOPICS), min_size=1, max_size=5), max_size=12),
    st.sets(st.sampled_from(TOPICS)),
)
def test_what_is_looked_up_is_what_a_search_would_find(begin: int, runs: list[list[str]], wanted: set[str]) -> None:
    entries: list[Entry] = []
    with override_settings(REALTIME={"TAIL_EVENTS": 8, "TAIL_BYTES": 1024}):
        kept = Tail(begin, 77)
        for run in runs:
            new = [made(begin + len(entries) + number, topic) for number, topic in enumerate(run, 1)]
            entries += new
            kept.append(new)

    whole = entries[len(entries) - len(kept) :]
    assert kept.begin == begin + len(entries) - len(kept)
    for position in range(begin + len(entries) + 2):
        behind = [entry for entry in whole if entry.position > position]
        is_known = position >= kept.begin
        assert kept.since(position) == (behind if is_known else None)
        mine = [entry for entry in behind if entry.topic in wanted]
        assert kept.since(position, wanted) == (mine if is_known else None)
        for name in TOPICS:
            assert kept.first(name, position) == next((entry for entry in behind if entry.topic == name), None)
    for name in TOPICS:
        assert kept.newest(name) == next((entry for entry in reversed(whole) if entry.topic == name), None)


@given(st.integers(0, 5), st.integers(0, 30))
def test_check_bits_are_known_from_its_beginning_to_the_newest(begin: int, count: int) -> None:
    with override_settings(REALTIME={"TAIL_EVENTS": 8}):
        kept = Tail(begin, 77)
        for position in range(begin + 1, begin + count + 1):
            kept.append([made(position, "a")])

    known = {begin: 77} if kept.begin == begin else {kept.begin: kept.begin}
    known |= {position: position for position in range(kept.begin + 1, begin + count + 1)}
    assert {at: kept.check_at(at) for at in range(begin + count + 3) if kept.check_at(at) is not None} == known


# At the start of a process


@pytest.fixture
def small(sleeping_relay: None, settings: Settings, transactional_db: None) -> None:
    """The tests sequence by themselves; pages are small, and nothing happens by the clock."""
    settings.REALTIME = {**settings.REALTIME, "TICK": 3600.0, "PAGE": 4, "TAIL_EVENTS": 10}


def fill(count: int, data: str = "", to: Topic = GLOBAL) -> log.Head:
    with transaction.atomic():
        for number in range(count):
            publish("Note", {"n": number, "data": data}, to=[to])
    sequence()
    return log.head()


@pytest.mark.parametrize(("there", "kept"), [(0, 0), (1, 1), (3, 3), (4, 4), (9, 9), (10, 10), (11, 9), (25, 9)])
def test_it_begins_with_what_came_last(small: None, there: int, kept: int) -> None:
    head = fill(there)

    begun = tail.recent(head)

    assert begun.since(begun.begin) == log.read(head.position - kept, limit=100).entries
    assert len(begun) == kept  # the oldest of ten is what the place before the others is known by
    assert begun.check_at(begun.begin) == log.check_at(begun.begin)
    assert begun.check_at(head.position) == head.check


def test_it_begins_with_no_more_than_its_bytes(small: None, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "TAIL_BYTES": 4096}
    head = fill(10, data="x" * 1500)

    assert len(tail.recent(head)) == 3  # one page, and what marks its place


def test_it_begins_above_the_floor(small: None) -> None:
    fill(6)
    prune_all()
    head = fill(2)

    begun = tail.recent(head)

    assert (head.floor, begun.begin, len(begun)) == (6, 6, 2)


@pytest.mark.parametrize("happened", ["new epoch", "restored", "pruned"])
def test_a_history_that_changes_while_it_is_read_leaves_it_with_what_is_whole(small: None, happened: str) -> None:
    head = fill(8)
    if happened == "new epoch":
        log.new_epoch()
    elif happened == "restored":
        restore(5)
    else:
        Event.objects.filter(position=6).delete()

    begun = tail.recent(head)

    assert (begun.begin, len(begun), begun.check_at(8)) == (8, 0, head.check)


async def test_a_process_that_begins_answers_for_the_one_before(small: None) -> None:
    head = await run_db(fill, 8)

    async with asyncio.timeout(30), standing() as hub:
        follower = hub.follower
        assert follower.position == 8
        assert follower.since(0) == (await run_db(log.read, 0)).entries + (await run_db(log.read, 4)).entries
        assert follower.tail.check_at(8) == head.check
