"""Coming back with a cursor: rights, topics and place fit together, and nothing is missing or said twice."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import Family, Membership, User
from accounts.topics import family_topic, user_topic
from config.services.waiting import wait_until
from realtime import log, resume
from realtime.access import present
from realtime.models import Event
from realtime.outbox import end_sessions, rights_changed
from realtime.protocol.cursor import Cursor
from realtime.protocol.errors import ProtocolError
from realtime.protocol.subscriber import DELIVER, Reason
from realtime.relay import relay
from realtime.resume import open_subscriber, pages, replay
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.recorder import (
    PATIENCE,
    Recorder,
    connect,
    cursor_at,
    grow,
    opened,
    prune_all,
    restore,
    sequence,
    standing,
    tell,
    until,
    wanted,
)

pytestmark = pytest.mark.django_db(transaction=True)

GLOBAL = topic("global")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The tests sequence and announce by themselves; pages and tail are small, and nothing happens by the clock."""
    monkeypatch.setattr(relay, "wake", lambda: None)
    settings.REALTIME = {
        **settings.REALTIME,
        "TICK": 3600.0,
        "HEARTBEAT_INTERVAL": 3600.0,
        "PAGE": 4,
        "TAIL_EVENTS": 5,
    }


@pytest.fixture
def smith(family: Family) -> Topic:
    """The topic of alice's, bob's and vera's family."""
    sequence()
    return family_topic(family.pk)


@pytest.fixture
def jones(other_family: Family) -> Topic:
    """The topic of charlie's family."""
    sequence()
    return family_topic(other_family.pk)


def fill(*numbers: int, to: list[Topic], data: str = "") -> None:
    """Events that stand in the log, one after the other, before anybody comes."""
    for number in numbers:
        tell(number, to=to, data=data)
    sequence()


def here() -> Cursor:
    return log.head().cursor


def opening(user: User, *topics: Topic, cursor: Cursor | None = None, **options: Any) -> resume.Opening:
    return open_subscriber(lambda: present(user), wanted(*topics, **options), cursor)


def in_transaction(*works: Callable[[], Any]) -> None:
    """Do all in one transaction, and give what it tells its places."""
    with transaction.atomic():
        for work in works:
            work()
    sequence()


# Opening


def test_who_brings_no_cursor_begins_at_the_head(alice: User, smith: Topic) -> None:
    fill(1, 2, to=[smith])

    opened = opening(alice, smith, GLOBAL)

    assert opened.state.cursor == here()
    assert opened.state.rights_position == here().position
    assert opened.seqs == log.heads([smith, GLOBAL])[1]
    assert (opened.state.topics, opened.reset) == ({smith: 0, GLOBAL: 0}, None)


def test_who_brings_a_cursor_begins_there_and_counts_from_there(alice: User, smith: Topic) -> None:
    fill(1, to=[smith])
    cursor = here()
    fill(2, 3, to=[smith])

    opened = opening(alice, smith, GLOBAL, cursor=cursor)

    assert opened.state.cursor == cursor
    assert opened.state.rights_position == here().position
    assert opened.seqs == {smith: log.heads([smith])[1][smith] - 2, GLOBAL: 0}
    assert opened.reset is None


def of_another_epoch() -> Cursor:
    return Cursor("another", 1, 1)


def beyond_the_log() -> Cursor:
    return Cursor(here().epoch, here().position + 1, 1)


def with_another_entry() -> Cursor:
    return Cursor(here().epoch, here().position, here().check ^ 1)


def no_longer_kept() -> Cursor:
    cursor = here()
    fill(1, 2, 3, to=[GLOBAL])
    prune_all()
    return cursor


def too_far_back() -> Cursor:
    cursor = here()
    fill(1, 2, 3, to=[GLOBAL])
    return cursor


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        (of_another_epoch, "epoch"),
        (beyond_the_log, "ahead"),
        (with_another_entry, "epoch"),
        (no_longer_kept, "trimmed"),
        (too_far_back, "trimmed"),
    ],
)
def test_a_cursor_that_is_worth_nothing_is_a_reset_to_the_head(
    alice: User, smith: Topic, settings: Settings, cursor: Callable[[], Cursor], reason: Reason
) -> None:
    settings.REALTIME = {**settings.REALTIME, "MAX_REPLAY": 2}

    opened = opening(alice, smith, cursor=cursor())

    assert opened.reset == reason
    assert opened.state.cursor == here()
    assert opened.seqs == log.heads([smith])[1]


def test_topics_that_may_not_be_read_do_not_exist_or_are_none_are_refused_alike(alice: User, jones: Topic) -> None:
    unknown = Topic("family:00000000-0000-0000-0000-000000000000")
    refusals = []
    for name in (jones, unknown, Topic("family:1"), Topic("control:1"), Topic("\x00"), topic("staff")):
        with pytest.raises(ProtocolError) as refused:
            opening(alice, GLOBAL, name)
        refusals.append((refused.value.code, refused.value.message))

    assert set(refusals) == {("forbidden", refusals[0][1])}


def test_automatic_topics_come_without_asking(alice: User, smith: Topic) -> None:
    assert opening(alice, automatic=True).state.topics.keys() >= {smith, user_topic(alice.pk), GLOBAL}
    assert opening(alice, GLOBAL).state.topics.keys() == {GLOBAL}


def test_a_topic_joined_since_the_cursor_is_replayed_from_the_latest_joining(alice: User, jones: Topic) -> None:
    cursor = here()
    fill(1, to=[jones])
    join, leave = ("gained", "lost")
    places = []
    for number, what in ((2, join), (3, leave), (4, join)):
        in_transaction(lambda what=what: rights_changed(alice.pk, **{what: [jones]}))
        places.append(here().position)
        fill(number, to=[jones])
    family = Family.objects.get(pk=jones.partition(":")[2])
    Membership(family=family, user=alice).save_base(raw=True, force_insert=True)  # as told above

    opened = opening(alice, jones, GLOBAL, cursor=cursor)

    assert opened.state.topics == {jones: places[-1], GLOBAL: 0}
    assert opened.seqs[jones] == Event.objects.filter(topic=jones, position__lt=places[-1]).count()


@pytest.mark.parametrize("lost_after", ["the user was read", "the rights were read"])
def test_rights_that_change_while_they_are_read_are_read_again(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch, lost_after: str
) -> None:
    changes = iter([1])

    def lose() -> None:
        for _ in changes:
            in_transaction(lambda: Membership.objects.filter(user=alice).delete())

    def who() -> User:
        user = present(alice)
        if lost_after == "the user was read":
            lose()
        return user

    read = log.heads

    def heads(topics: Any) -> Any:
        if lost_after == "the rights were read":
            lose()
        return read(topics)

    monkeypatch.setattr(log, "heads", heads)

    opened = open_subscriber(who, wanted(automatic=True), None)

    assert smith not in opened.state.topics
    assert opened.state.rights_position == here().position


def test_rights_that_never_rest_are_a_refusal(alice: User, smith: Topic) -> None:
    def who() -> User:
        in_transaction(lambda: rights_changed(alice.pk, gained=[smith]))
        return present(alice)

    with pytest.raises(ProtocolError) as refused:
        open_subscriber(who, wanted(smith), None)

    assert refused.value.code == "unavailable"


# Replay


async def test_a_replay_brings_what_was_missed_then_what_comes(alice: User, smith: Topic) -> None:
    cursor = await run_db(here)
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
        assert hub.follower.position < (await run_db(here)).position

        member = await connect(hub, alice, smith, cursor=await run_db(here))
        await grow(hub, 3, to=[smith])

        assert member.said == [3]


@pytest.mark.parametrize("where", ["in the log", "in the tail"])
async def test_a_replay_sends_no_more_than_the_client_takes(
    alice: User, smith: Topic, settings: Settings, where: str
) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE": 500, "UNSENT_BYTES": 20_000}
    if where == "in the tail":
        settings.REALTIME = {**settings.REALTIME, "TAIL_EVENTS": 1000}
    cursor = await run_db(here)
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
    cursor = await run_db(here)
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


async def test_a_floor_that_rises_in_mid_replay_is_a_reset_and_never_a_part(alice: User, smith: Topic) -> None:
    cursor = await run_db(here)
    await run_db(lambda: fill(*range(1, 20), to=[smith]))
    async with standing() as hub:

        async def prune_once() -> None:
            if member.said == [1, 2, 3, 4]:
                await run_db(prune_all)

        member = await opened(hub, alice, smith, cursor=cursor)
        member.between_pages = prune_once
        await replay(hub, member, lambda: present(alice), wanted(smith))
        head, seqs = await run_db(lambda: log.heads([smith]))
        await grow(hub, 20, to=[smith])

        assert member.said == [1, 2, 3, 4, ("reset", "trimmed", seqs), 20]
        assert member.state.position == head.position + 1


@pytest.mark.parametrize("happened", ["new epoch", "restored"])
async def test_a_history_that_changes_in_mid_replay_is_a_reset(alice: User, smith: Topic, happened: str) -> None:
    cursor = await run_db(here)
    await run_db(lambda: fill(*range(1, 20), to=[smith]))
    async with standing() as hub:
        happenings = iter([happened])

        async def happen_once() -> None:
            for name in happenings:
                await run_db(log.new_epoch if name == "new epoch" else lambda: restore(cursor.position + 1))
                hub.follower._doubt.set()

        member = await opened(hub, alice, GLOBAL, smith, cursor=cursor)
        member.between_pages = happen_once
        await replay(hub, member, lambda: present(alice), wanted(smith, GLOBAL))
        head, seqs = await run_db(lambda: log.heads([smith, GLOBAL]))
        await grow(hub, 20, to=[smith])

        resets = [word for word in member.said if isinstance(word, tuple)]
        assert resets == [("reset", "epoch", seqs)]
        assert member.said[-2:] == [("reset", "epoch", seqs), 20]
        assert member.state.epoch == head.epoch


async def test_a_log_that_was_restored_and_grew_past_a_client_in_mid_replay_is_a_reset(
    alice: User, smith: Topic
) -> None:
    """What the new history has below the client's place would be missing, and nothing would say so."""
    cursor = await run_db(here)
    await run_db(lambda: fill(*range(1, 20), to=[smith]))
    async with standing() as hub:

        async def restore_and_grow() -> None:
            if member.said != [1, 2, 3, 4]:
                return
            await run_db(restore, cursor.position + 1)
            await run_db(lambda: fill(*range(102, 130), to=[smith]))
            hub.follower._doubt.set()
            await until(lambda: hub.follower.histories == 2)

        member = await opened(hub, alice, smith, cursor=cursor)
        member.between_pages = restore_and_grow
        await replay(hub, member, lambda: present(alice), wanted(smith))
        seqs = (await run_db(lambda: log.heads([smith])))[1]
        await grow(hub, 130, to=[smith])

        assert member.said == [1, 2, 3, 4, ("reset", "epoch", seqs), 130]


async def test_a_client_that_was_admitted_before_the_log_was_restored_is_reset(alice: User, smith: Topic) -> None:
    await run_db(lambda: fill(1, 2, 3, to=[smith]))
    async with standing() as hub:
        history = hub.follower.history
        member = await opened(hub, alice, smith)
        await run_db(restore, member.state.position - 1)
        hub.follower._doubt.set()
        await until(lambda: hub.follower.histories == 2)
        await grow(hub, 103, 104, to=[smith])

        await replay(hub, member, lambda: present(alice), wanted(smith), history)
        seqs = (await run_db(lambda: log.heads([smith])))[1]
        await grow(hub, 105, to=[smith])

        assert member.said == [("reset", "epoch", seqs), 105]


async def test_a_client_of_a_history_that_this_process_has_not_noticed_waits_for_it_without_asking_on_and_on(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    read = resume._page

    def count(state: Any, upto: int) -> log.Page:
        asked.append(upto)
        return read(state, upto)

    monkeypatch.setattr(resume, "_page", count)
    async with standing() as hub:
        old = hub.follower.epoch
        await run_db(log.new_epoch)
        member = await opened(hub, alice, smith)
        assert member.state.epoch != hub.follower.epoch == old

        await replay(hub, member, lambda: present(alice), wanted(smith))
        await grow(hub, 1, to=[smith])

        assert member.said == [1]
        assert len(asked) <= 2


async def test_a_place_taken_in_the_old_history_is_not_one_of_the_new(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The follower starts over, further back, while a page is read up to where it stood before."""
    await run_db(lambda: fill(*range(1, 20), to=[GLOBAL]))
    read = resume._page
    async with standing() as hub:
        await run_db(restore, 8)
        await run_db(log.new_epoch)
        member = await opened(hub, alice, smith)

        loop = asyncio.get_running_loop()

        def read_meanwhile(state: Any, upto: int) -> log.Page:
            page = read(state, upto)
            loop.call_soon_threadsafe(hub.follower._doubt.set)
            wait_until(lambda: hub.follower.epoch == state.epoch, PATIENCE, lambda: "it was not noticed")
            return page

        monkeypatch.setattr(resume, "_page", read_meanwhile)
        await replay(hub, member, lambda: present(alice), wanted(smith))
        await grow(hub, 20, to=[smith])

        assert member.state.position == hub.follower.position == 9
        assert member.said == [20]


async def test_control_entries_on_the_way_are_obeyed_before_anything_later(alice: User, smith: Topic) -> None:
    cursor = await run_db(here)
    async with standing() as hub:
        member = await opened(hub, alice, smith, GLOBAL, cursor=cursor)
        await run_db(lambda: fill(1, 2, 3, to=[smith]))
        await run_db(lambda: in_transaction(lambda: rights_changed(alice.pk, lost=[smith])))
        await run_db(lambda: fill(4, to=[smith, GLOBAL]))
        await run_db(lambda: in_transaction(lambda: rights_changed(alice.pk, gained=[smith])))
        gained = (await run_db(here)).position
        await run_db(lambda: fill(*range(5, 12), to=[GLOBAL]))

        await hub.follower.reach((await run_db(here)).position)
        await replay(hub, member, lambda: present(alice), wanted(smith, GLOBAL))

        assert member.said == [1, 2, 3, ("revoked", smith), 4, ("gained", smith, gained), *range(5, 12)]


async def test_a_replay_stops_where_the_sessions_ended(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await opened(hub, alice, smith)
        await run_db(lambda: fill(1, 2, to=[smith]))
        await run_db(lambda: in_transaction(lambda: end_sessions(alice.pk)))
        ended = await run_db(here)
        await run_db(lambda: fill(*range(3, 20), to=[smith]))

        await hub.follower.reach((await run_db(here)).position)
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
    started = await run_db(here)
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
        head = await run_db(here)
        await until(lambda: hub.follower.position == head.position)

        entries = (await run_db(lambda: log.read(started.position, topics=[smith], limit=1000))).entries
        assert len(entries) == 200
        for member, start in zip(members, starts, strict=True):
            assert [frame.entry for frame in member.frames] == [each for each in entries if each.position > start]


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
    cursor = here()
    fill(*range(1, 12), to=[smith])
    fill(12, to=[GLOBAL])

    assert polled(alice, smith, cursor=cursor) == list(range(1, 12))
    assert polled(alice, smith, GLOBAL, cursor=cursor) == list(range(1, 13))
    assert polled(alice, smith, cursor=here()) == []


def test_polling_ends_where_the_floor_rose_in_mid_replay(alice: User, smith: Topic) -> None:
    cursor = here()
    fill(*range(1, 12), to=[smith])
    opened = opening(alice, smith, cursor=cursor)
    found = []

    for page, problem in pages(opened.state, opened.head):
        found.append((len(page), problem))
        prune_all()

    assert found == [(4, None), (0, "trimmed")]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(st.lists(st.sampled_from([0, 1, 2]), max_size=14), st.integers(0, 14), st.integers(0, 20), st.integers(1, 6))
async def test_from_any_cursor_with_any_tail_and_page_exactly_the_rest_arrives(
    alice: User, smith: Topic, settings: Settings, kinds: list[int], at: int, tail: int, page: int
) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE": page, "TAIL_EVENTS": max(tail, 1)}
    base = await run_db(here)
    async with standing() as hub:
        for number, kind in enumerate(kinds):
            await grow(hub, number, to=[[smith], [GLOBAL], [smith, GLOBAL]][kind])
        entries = (await run_db(lambda: log.read(base.position, limit=100))).entries
        start = base.position + min(at, len(entries))

        member = await connect(hub, alice, smith, cursor=await run_db(cursor_at, start))

        expected = [entry for entry in entries if entry.topic == smith and entry.position > start]
        assert [frame.entry for frame in member.frames] == expected
        hub.leave(member)
