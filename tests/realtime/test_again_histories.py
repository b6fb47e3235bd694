"""What is open is given again through resets, restores and pruning, and to nobody who is gone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings
from uuid_utils.compat import uuid7

from accounts.models import Family, Membership, User
from realtime import again, log
from realtime.access import present
from realtime.admission import admit
from realtime.again import give_again
from realtime.hub import Hub
from realtime.models import Event, LogHead, Receipt
from realtime.protocol.cursor import Cursor
from realtime.resume import Wanted, replay
from realtime.threads import run_db
from realtime.topics import Topic
from tests.realtime.admitting import announced, scope_of, token_of
from tests.realtime.notices import Guest, come, confirm, confirm_elsewhere, notice
from tests.realtime.recorder import cursor_at, prune_all, sequence, standing, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]


def start_over(here: Hub) -> None:
    """Have the follower stand in another history, from a thread; return once it does."""
    head, started = log.head(), threading.Event()
    here._loop.call_soon_threadsafe(lambda: (here.follower.restart(head), started.set()))
    assert started.wait(30)


async def test_another_history_gives_again_what_is_open_in_it(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith), lambda: notice(2, smith))
        member = await come(here, alice)
        await run_db(confirm_elsewhere, alice, 1)
        await run_db(log.new_epoch)
        here.follower._doubt.set()
        await until(lambda: len(member.given) == 3)

    assert member.given == [(1, False), (2, False), (2, False)]


async def test_a_restored_log_is_believed_and_not_what_was_known_of_the_one_before(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith))
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
        await announced(here, lambda: notice(1, smith))
        await run_db(confirm_elsewhere, alice, 1)
        read, place = again._read, here.follower.position

        def start_over_then(asks: Any) -> Any:
            found = read(asks)
            start_over(here)
            return found

        monkeypatch.setattr(again, "_read", start_over_then)
        found = await here.follower.again.due(str(alice.pk), [smith], 0, place)

    assert found.entries == []
    assert not here.follower.again.settled.has(str(alice.pk), place)


async def test_what_was_confirmed_in_one_history_is_not_remembered_of_another(alice: User, smith: Topic) -> None:
    """The log starts over between the moment when a confirmation is read and the one when it is committed."""
    async with standing() as here:
        await announced(here, lambda: notice(1, smith))
        place = here.follower.position

        def confirm_meanwhile() -> None:
            with transaction.atomic():
                confirm(alice, 1)
                start_over(here)

        await run_db(confirm_meanwhile)

    assert not here.follower.again.settled.has(str(alice.pk), place)


async def test_what_was_asked_of_one_history_is_not_answered_with_another(alice: User, smith: Topic) -> None:
    """What stands at the place by then is another event, and whether that was confirmed nobody has asked."""
    async with standing() as here:
        await announced(here, lambda: notice(1, smith), lambda: notice(2, smith))
        place = here.follower.position
        await run_db(confirm_elsewhere, alice, 1)
        await run_db(lambda: Event.objects.filter(position=place).update(event_id=uuid7()))
        head = await run_db(log.head)
        asked = asyncio.ensure_future(here.follower.again.due(str(alice.pk), [smith], 0, place))
        await asyncio.sleep(0)  # asked, and not yet read
        here.follower.restart(head)

        assert (await asked).entries == []
        assert not here.follower.again.settled.has(str(alice.pk), place - 1)


async def test_a_reset_of_the_cursor_gives_again_all_that_is_open(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith))
        place = here.follower.place
        await announced(here, lambda: notice(2, smith))
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


async def test_retention_neither_shortens_it_nor_forgets_who_joined_later(
    alice: User, bob: User, family: Family, smith: Topic
) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith), lambda: notice(2, smith, about="a"))
        await announced(here, lambda: Membership.objects.filter(user=bob).delete())
        await announced(here, lambda: Membership.objects.create(family=family, user=bob, role="member"))
        await announced(here, lambda: notice(3, smith, about="a"), lambda: notice(4, smith, ack=False))
        await run_db(prune_all)
        notices = Event.objects.filter(type="Notice").order_by("position")
        kept = await run_db(lambda: list(notices.values_list("data", flat=True)))
    async with standing() as here:
        member, back = await come(here, alice), await come(here, bob)

    assert kept == ['{"n":1}', '{"n":3}', '{"n":4}']
    assert (member.given, back.given) == ([(1, False), (3, False)], [(3, False)])


async def test_pruning_keeps_nothing_for_what_is_not_open_any_more(bob: User, family: Family, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith, seconds=-1), lambda: notice(2, smith, about="a"))
        await announced(here, lambda: Membership.objects.filter(user=bob).delete())
        await announced(here, lambda: notice(3, smith, about="a", ack=False), lambda: notice(4, smith, ack=False))
        await run_db(prune_all)

    assert await run_db(lambda: list(Event.objects.values_list("data", flat=True))) == ['{"n":4}']
