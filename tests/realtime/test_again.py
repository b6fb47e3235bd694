"""What was not acknowledged is given again at connect: to whom, when not, in which order, and what it costs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Family, Membership, User
from accounts.topics import family_topic, user_topic
from realtime import again, log, receipts
from realtime.access import present
from realtime.admission import admit
from realtime.again import give_again
from realtime.hub import Hub
from realtime.models import Event, LogHead, Receipt
from realtime.outbox import publish
from realtime.protocol.cursor import Cursor
from realtime.protocol.frame import Frame
from realtime.relay import relay
from realtime.resume import Wanted, replay
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.admitting import scope_of, token_of
from tests.realtime.counting import counted_queries
from tests.realtime.recorder import Recorder, announce, cursor_at, sequence, standing, until

pytestmark = pytest.mark.django_db(transaction=True)

GLOBAL = topic("global")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The tests sequence and announce by themselves, and nothing happens by the clock."""
    monkeypatch.setattr(relay, "wake", lambda: None)
    settings.REALTIME = {**settings.REALTIME, "TICK": 3600.0, "HEARTBEAT_INTERVAL": 3600.0}


@pytest.fixture
def smith(family: Family) -> Topic:
    """The topic of alice's, bob's and vera's family."""
    sequence()
    return family_topic(family.pk)


class Guest(Recorder):
    """A client that writes down Notices alone."""

    def deliver(self, frame: Frame) -> None:
        if frame.entry.type == "Notice":
            super().deliver(frame)

    @property
    def given(self) -> list[tuple[int, bool]]:
        """Each notice by its number, and whether it came with a cursor."""
        return [(json.loads(frame.entry.data)["n"], frame.cursor is not None) for frame in self.frames]


def notice(number: int, *to: Topic, ack: bool = True, about: str = "", seconds: float | None = None) -> None:
    """Publish one event that wants an acknowledgement."""
    expires = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
    with transaction.atomic():
        publish("Notice", {"n": number}, to=to, ack=ack, about=about, expires=expires)


async def told(here: Hub, *works: Callable[[], Any]) -> None:
    """Do all of it, give it its places, and let the follower hear of it."""
    for work in works:
        await run_db(work)
    await announce(here)


async def come(here: Hub, user: User, *named: Topic, cursor: Cursor | None = None, automatic: bool = True) -> Guest:
    """Connect as a transport does."""
    wanted = Wanted(frozenset(named), automatic=automatic)
    admitted = await admit(here.follower, scope_of(await run_db(token_of, user)), lambda _: wanted, cursor)
    member = Guest(here, admitted.opening.state)
    await give_again(here.follower, member)
    await replay(here, member, lambda: present(user), wanted)
    return member


def id_of(number: int) -> UUID:
    return Event.objects.filter(type="Notice", data=json.dumps({"n": number}, separators=(",", ":")))[0].event_id


def confirm(user: User, *numbers: int) -> None:
    receipts.confirm(present(user), [id_of(number) for number in numbers], transport="http", client="a phone")


def confirm_elsewhere(user: User, *numbers: int) -> None:
    """As another process does it: here only the database knows."""
    for number in numbers:
        Receipt.objects.create(event_id=id_of(number), user=user, transport="http")


# What is given


async def test_an_unacknowledged_event_is_given_again_at_each_connect_without_a_cursor(
    alice: User, smith: Topic
) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, user_topic(alice.pk)), lambda: notice(2, smith), lambda: notice(3, GLOBAL))
        first, second = await come(here, alice), await come(here, alice, cursor=here.follower.place)

    assert first.given == second.given == [(1, False), (2, False), (3, False)]
    assert all(frame.replayed and frame.entry.ack for frame in first.frames)


async def test_what_the_replay_brings_is_not_given_again_beside_it(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        between = here.follower.place
        await told(here, lambda: notice(2, smith))
        member = await come(here, alice, cursor=between)
        await told(here, lambda: notice(3, smith))

    assert member.given == [(1, False), (2, True), (3, True)]


async def test_only_the_topics_of_the_connection_count(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith), lambda: notice(2, GLOBAL))
        member = await come(here, alice, GLOBAL, automatic=False)

    assert member.given == [(2, False)]


async def test_what_wants_no_acknowledgement_is_not_given_again(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith, ack=False))
        member = await come(here, alice)

    assert member.given == []


async def test_an_event_on_two_topics_is_given_again_on_each_until_it_is_acknowledged_once(
    alice: User, smith: Topic
) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith, user_topic(alice.pk)))
        before = await come(here, alice)
        await run_db(confirm_elsewhere, alice, 1)
        after = await come(here, alice)

    assert (before.given, after.given) == ([(1, False), (1, False)], [])


async def test_it_ends_when_it_expires(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith, seconds=3600), lambda: notice(2, smith, seconds=-1))
        before = await come(here, alice)
        here.follower.again.wanting._clock = lambda: timezone.now().timestamp() + 3601
        after = await come(here, alice)

    assert (before.given, after.given) == ([(1, False)], [])


async def test_without_a_time_it_ends_with_the_default_lifetime(alice: User, smith: Topic, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "ACK_LIFETIME": 60}
    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        here.follower.again.wanting._clock = lambda: timezone.now().timestamp() + 61
        member = await come(here, alice)

    assert member.given == []


async def test_of_one_thing_only_the_newest_is_given_again(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith, about="a"), lambda: notice(2, smith, about="b"))
        await told(here, lambda: notice(3, smith, about="a"))
        member = await come(here, alice)

    assert member.given == [(2, False), (3, False)]


async def test_what_is_taken_back_is_not_given_again(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith, about="a"), lambda: notice(2, smith, about="a", ack=False))
        member = await come(here, alice)

    assert member.given == []


# To whom


async def test_who_joined_later_is_not_given_what_was_said_before(
    alice: User, charlie: User, family: Family, smith: Topic
) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        await told(here, lambda: Membership.objects.create(family=family, user=charlie, role="member"))
        await told(here, lambda: notice(2, smith))
        member, other = await come(here, charlie), await come(here, alice)

    assert (member.given, other.given) == ([(2, False)], [(1, False), (2, False)])


async def test_who_left_is_not_given_it_nor_who_left_and_came_back(bob: User, family: Family, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        await told(here, lambda: Membership.objects.filter(user=bob).delete())
        gone = await come(here, bob)
        await told(here, lambda: notice(2, smith))
        await told(here, lambda: Membership.objects.create(family=family, user=bob, role="member"))
        await told(here, lambda: notice(3, smith))
        back = await come(here, bob)

    assert (gone.given, back.given) == ([], [(3, False)])


async def test_what_is_said_to_everyone_is_not_given_to_who_came_into_being_later(
    alice: User, make_user: Callable[..., User]
) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, GLOBAL))
        newcomer = await run_db(make_user, "newcomer")
        await told(here, lambda: notice(2, GLOBAL))
        member, other = await come(here, newcomer), await come(here, alice)

    assert (member.given, other.given) == ([(2, False)], [(1, False), (2, False)])


async def test_who_was_deactivated_meanwhile_is_given_what_was_said_since_they_are_back(bob: User) -> None:
    def activate(is_active: bool) -> None:
        User.objects.filter(pk=bob.pk).update(is_active=is_active)

    async with standing() as here:
        await told(here, lambda: activate(False), lambda: notice(1, GLOBAL, user_topic(bob.pk)))
        await told(here, lambda: activate(True), lambda: notice(2, GLOBAL, user_topic(bob.pk)))
        member = await come(here, bob)

    assert member.given == [(2, False), (2, False)]


async def test_who_loses_the_topic_between_admission_and_the_giving_is_not_given_it(
    bob: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        read = again._read

        def lose_first(asks: Any) -> Any:
            found = read(asks)
            Membership.objects.filter(user=bob).delete()
            batch = sequence()
            here._loop.call_soon_threadsafe(here.follower.take, batch)
            return found

        monkeypatch.setattr(again, "_read", lose_first)
        member = await come(here, bob)

    assert member.given == []


# Never after an acknowledgement


@pytest.mark.parametrize("way", [confirm, confirm_elsewhere])
async def test_what_was_acknowledged_is_given_again_to_no_client_of_that_user(
    alice: User, bob: User, smith: Topic, way: Callable[..., None]
) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith), lambda: notice(2, smith))
        await come(here, alice)
        await run_db(way, alice, 1)
        member, other = await come(here, alice), await come(here, bob)

    assert (member.given, other.given) == ([(2, False)], [(1, False), (2, False)])


@pytest.mark.parametrize("way", [confirm, confirm_elsewhere])
async def test_an_acknowledgement_while_the_client_is_being_admitted_counts(
    alice: User, smith: Topic, way: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        read = again._read

        def acknowledge_first(asks: Any) -> Any:
            way(alice, 1)
            return read(asks)

        monkeypatch.setattr(again, "_read", acknowledge_first)
        member = await come(here, alice)

    assert member.given == []


async def test_an_acknowledgement_to_this_process_counts_up_to_the_moment_of_giving(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith), lambda: notice(2, smith))
        read = again._read

        def acknowledge_then(asks: Any) -> Any:
            found = read(asks)
            confirm(alice, 1)
            return found

        monkeypatch.setattr(again, "_read", acknowledge_then)
        member = await come(here, alice)

    assert member.given == [(2, False)]


async def test_an_acknowledgement_between_two_that_are_given_counts(alice: User, smith: Topic) -> None:
    class Acknowledging(Guest):
        async def flushed(self) -> None:
            if len(self.frames) == 1:
                await run_db(confirm, alice, 2)

    async with standing() as here:
        await told(here, *(lambda n=n: notice(n, smith) for n in (1, 2, 3)))
        admitted = await admit(here.follower, scope_of(await run_db(token_of, alice)), lambda _: Wanted(), None)
        member = Acknowledging(here, admitted.opening.state)
        await give_again(here.follower, member)

    assert member.given == [(1, False), (3, False)]


async def test_an_acknowledgement_that_is_rolled_back_ends_nothing(alice: User, smith: Topic) -> None:
    class RollBack(Exception):
        pass

    def take_back() -> None:
        try:
            with transaction.atomic():
                confirm(alice, 1)
                raise RollBack
        except RollBack:
            pass

    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        await run_db(take_back)
        member = await come(here, alice)

    assert member.given == [(1, False)]


# What it costs


async def test_a_user_with_nothing_open_costs_no_query(alice: User, bob: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, user_topic(bob.pk)), lambda: notice(2, smith, ack=False))
        await come(here, alice)
        with counted_queries() as queries:
            member = await come_with(here, await run_db(token_of, alice))

    assert (len(here.follower.again.wanting), member.given) == (1, [])
    assert [sql for sql in queries if "realtime_" in sql] == []


async def test_who_has_acknowledged_all_costs_queries_once(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith), lambda: notice(2, GLOBAL))
        await run_db(confirm_elsewhere, alice, 1, 2)
        with counted_queries() as first:
            await come_with(here, await run_db(token_of, alice))
        token = await run_db(token_of, alice)
        with counted_queries() as second:
            member = await come_with(here, token)

    assert len([sql for sql in first if "realtime_receipt" in sql]) == 1
    assert (second, member.given) == ([], [])


async def test_who_was_not_there_costs_queries_once(bob: User, family: Family, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        await told(here, lambda: Membership.objects.filter(user=bob).delete())
        await told(here, lambda: Membership.objects.create(family=family, user=bob, role="member"))
        await come(here, bob)
        token = await run_db(token_of, bob)
        await come_with(here, token)
        with counted_queries() as queries:
            member = await come_with(here, token)

    assert (queries, member.given) == ([], [])


async def test_a_storm_with_something_open_for_everyone_costs_less_than_one_query_for_ten(
    settings: Settings, alice: User
) -> None:
    people = await run_db(lambda: [User.objects.create(username=f"user-{n}") for n in range(100)])
    tokens = [await run_db(token_of, user) for user in people]
    async with standing() as here:
        await told(here, lambda: notice(1, GLOBAL))
        await run_db(lambda: [confirm_elsewhere(user, 1) for user in people[::2]])
        with counted_queries() as queries:
            members = await asyncio.gather(*(come_with(here, token) for token in tokens))

    assert [len(member.given) for member in members] == [0, 1] * 50
    assert len(queries) < 10


async def come_with(here: Hub, token: str) -> Guest:
    """Connect with a token that was made before."""
    admitted = await admit(here.follower, scope_of(token), lambda _: Wanted(), None)
    member = Guest(here, admitted.opening.state)
    await give_again(here.follower, member)
    await replay(here, member, lambda: admitted.credentials.user, admitted.asked)
    return member


# What memory holds


@pytest.mark.parametrize("page", [1, 3, 500])
@pytest.mark.parametrize("begins_late", [False, True])
async def test_more_than_memory_holds_is_asked_of_the_database(
    alice: User, smith: Topic, settings: Settings, page: int, begins_late: bool
) -> None:
    settings.REALTIME = {**settings.REALTIME, "WANTING_EVENTS": 10, "PAGE": page}
    numbers = range(25)

    def write() -> None:
        for number in numbers:
            notice(number, smith)

    if begins_late:
        await run_db(write)
        await run_db(sequence)
    async with standing() as here:
        if not begins_late:
            await told(here, write)
        await run_db(confirm_elsewhere, alice, 3, 20)
        member = await come(here, alice)
        held = len(here.follower.again.wanting)

    assert held <= 10
    assert [number for number, _ in member.given] == [number for number in numbers if number not in (3, 20)]


async def test_memory_lets_go_of_what_expired_before_of_anything_else(smith: Topic, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "WANTING_EVENTS": 10}
    async with standing() as here:
        await told(here, *(lambda n=n: notice(n, smith, seconds=-1 if n % 2 else 60) for n in range(17)))
        wanting = here.follower.again.wanting

    assert (len(wanting), wanting.begin) == (9, 0)


async def test_a_process_that_begins_knows_what_is_open(alice: User, smith: Topic) -> None:
    def write() -> None:
        notice(1, smith, about="a")
        notice(2, smith, about="a")
        notice(3, smith, seconds=-1)
        notice(4, smith, about="b")
        notice(5, smith, about="b", ack=False)
        notice(6, GLOBAL, about="a")
        sequence()

    await run_db(write)
    async with standing() as here:
        member = await come(here, alice)
        known, given = len(here.follower.again.wanting), [number for number, _ in member.given]
        await told(here, lambda: notice(7, smith, about="a"))
        again_later = await come(here, alice)

    assert (known, given) == (2, [2, 6])
    assert [number for number, _ in again_later.given] == [6, 7]


# Other histories, and pruning


async def test_another_history_gives_again_what_is_open_in_it(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith), lambda: notice(2, smith))
        member = await come(here, alice)
        await run_db(confirm_elsewhere, alice, 1)
        await run_db(log.new_epoch)
        here.follower._doubt.set()
        await until(lambda: len(member.given) == 3)

    assert member.given == [(1, False), (2, False), (2, False)]


async def test_a_restored_log_is_believed_and_not_what_was_known_of_the_one_before(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        await run_db(confirm, alice, 1)
        await come(here, alice)
        await run_db(Receipt.objects.all().delete)
        await run_db(lambda: LogHead.objects.update(epoch="another"))
        here.follower._doubt.set()
        await until(lambda: here.follower.epoch == "another")
        member = await come(here, alice)

    assert member.given == [(1, False)]


async def test_what_was_read_of_one_history_is_not_remembered_of_another(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        await run_db(confirm_elsewhere, alice, 1)
        read, place = again._read, here.follower.position

        def start_over_then(asks: Any) -> Any:
            found, started = read(asks), threading.Event()
            head = log.head()
            here._loop.call_soon_threadsafe(lambda: (here.follower.restart(head), started.set()))
            started.wait(30)
            return found

        monkeypatch.setattr(again, "_read", start_over_then)
        found = await here.follower.again.due(str(alice.pk), [smith], 0, place)

    assert found.entries == []
    assert not here.follower.again.settled.has(str(alice.pk), place)


async def test_a_reset_of_the_cursor_gives_again_all_that_is_open(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith))
        place = here.follower.place
        await told(here, lambda: notice(2, smith))
        member = await come(here, alice, cursor=Cursor("elsewhere", place.position, place.check))

    assert member.given == [(1, False), (2, False)]


async def test_what_is_missing_of_a_replay_is_given_again(alice: User, smith: Topic, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE": 1, "TAIL_EVENTS": 1}

    class Slow(Guest):
        async def flushed(self) -> None:
            if not self.pruned:
                self.pruned = True
                await run_db(prune_all)

        pruned = False

    def write() -> None:
        for number in range(1, 5):
            notice(number, smith)
        notice(5, smith, ack=False)
        sequence()

    await run_db(write)
    async with standing() as here:
        first = await run_db(lambda: Event.objects.get(data='{"n":1}').position)
        cursor = await run_db(cursor_at, first)
        admitted = await admit(here.follower, scope_of(await run_db(token_of, alice)), lambda _: Wanted(), cursor)
        member = Slow(here, admitted.opening.state)
        member.pruned = True
        await give_again(here.follower, member)
        member.pruned = False
        await replay(here, member, lambda: present(alice), admitted.asked)

    assert [each[:2] for each in member.said if isinstance(each, tuple)] == [("reset", "trimmed")]
    assert member.given == [(1, False), (2, True), (3, False), (4, False)]


async def test_nothing_more_is_given_again_or_read_for_who_is_gone(
    alice: User, smith: Topic, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE": 2}
    reads, read = [], again._read

    def counted(asks: Any) -> Any:
        reads.append(asks)
        return read(asks)

    class Leaver(Guest):
        async def flushed(self) -> None:
            self.is_open = False

    def write() -> None:
        for number in range(1, 6):
            notice(number, smith)
        sequence()

    await run_db(write)
    async with standing() as here:
        admitted = await admit(here.follower, scope_of(await run_db(token_of, alice)), lambda _: Wanted(), None)
        member = Leaver(here, admitted.opening.state)
        monkeypatch.setattr(again, "_read", counted)
        await give_again(here.follower, member)
        await give_again(here.follower, member)

    assert (member.given, len(reads)) == ([(1, False)], 1)


def prune_all() -> None:
    Event.objects.update(timestamp=timezone.now() - timedelta(days=30))
    log.prune(timezone.now() - timedelta(days=1))


async def test_retention_neither_shortens_it_nor_forgets_who_joined_later(
    alice: User, bob: User, family: Family, smith: Topic
) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith), lambda: notice(2, smith, about="a"))
        await told(here, lambda: Membership.objects.filter(user=bob).delete())
        await told(here, lambda: Membership.objects.create(family=family, user=bob, role="member"))
        await told(here, lambda: notice(3, smith, about="a"), lambda: notice(4, smith, ack=False))
        await run_db(prune_all)
        notices = Event.objects.filter(type="Notice").order_by("position")
        kept = await run_db(lambda: list(notices.values_list("data", flat=True)))
    async with standing() as here:
        member, back = await come(here, alice), await come(here, bob)

    assert kept == ['{"n":1}', '{"n":3}', '{"n":4}']
    assert (member.given, back.given) == ([(1, False), (3, False)], [(3, False)])


async def test_pruning_keeps_nothing_for_what_is_not_open_any_more(bob: User, family: Family, smith: Topic) -> None:
    async with standing() as here:
        await told(here, lambda: notice(1, smith, seconds=-1), lambda: notice(2, smith, about="a"))
        await told(here, lambda: Membership.objects.filter(user=bob).delete())
        await told(here, lambda: notice(3, smith, about="a", ack=False), lambda: notice(4, smith, ack=False))
        await run_db(prune_all)

    assert await run_db(lambda: list(Event.objects.values_list("data", flat=True))) == ['{"n":4}']
