"""What was not acknowledged is given again at connect: what of it, to whom, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Family, Membership, User
from accounts.topics import user_topic
from realtime import again
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.admitting import announced
from tests.realtime.notices import come, confirm_elsewhere, notice
from tests.realtime.recorder import sequence, standing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]

GLOBAL = topic("global")


# What is given


async def test_an_unacknowledged_event_is_given_again_at_each_connect_without_a_cursor(
    alice: User, smith: Topic
) -> None:
    async with standing() as here:
        await announced(
            here, lambda: notice(1, user_topic(alice.pk)), lambda: notice(2, smith), lambda: notice(3, GLOBAL)
        )
        first, second = await come(here, alice), await come(here, alice, cursor=here.follower.place)

    assert first.given == second.given == [(1, False), (2, False), (3, False)]
    assert all(frame.replayed and frame.entry.ack for frame in first.frames)


async def test_what_the_replay_brings_is_not_given_again_beside_it(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith))
        between = here.follower.place
        await announced(here, lambda: notice(2, smith))
        member = await come(here, alice, cursor=between)
        await announced(here, lambda: notice(3, smith))

    assert member.given == [(1, False), (2, True), (3, True)]


async def test_only_the_topics_of_the_connection_count(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith), lambda: notice(2, GLOBAL))
        member = await come(here, alice, GLOBAL, automatic=False)

    assert member.given == [(2, False)]


async def test_what_wants_no_acknowledgement_is_not_given_again(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith, ack=False))
        member = await come(here, alice)

    assert member.given == []


async def test_an_event_on_two_topics_is_given_again_on_each_until_it_is_acknowledged_once(
    alice: User, smith: Topic
) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith, user_topic(alice.pk)))
        before = await come(here, alice)
        await run_db(confirm_elsewhere, alice, 1)
        after = await come(here, alice)

    assert (before.given, after.given) == ([(1, False), (1, False)], [])


async def test_it_ends_when_it_expires(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith, seconds=3600), lambda: notice(2, smith, seconds=-1))
        before = await come(here, alice)
        here.follower.again.wanting._clock = lambda: timezone.now().timestamp() + 3601
        after = await come(here, alice)

    assert (before.given, after.given) == ([(1, False)], [])


async def test_without_a_time_it_ends_with_the_default_lifetime(alice: User, smith: Topic, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "ACK_LIFETIME": 60}
    async with standing() as here:
        await announced(here, lambda: notice(1, smith))
        here.follower.again.wanting._clock = lambda: timezone.now().timestamp() + 61
        member = await come(here, alice)

    assert member.given == []


async def test_of_one_thing_only_the_newest_is_given_again(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith, about="a"), lambda: notice(2, smith, about="b"))
        await announced(here, lambda: notice(3, smith, about="a"))
        member = await come(here, alice)

    assert member.given == [(2, False), (3, False)]


async def test_what_is_taken_back_is_not_given_again(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith, about="a"), lambda: notice(2, smith, about="a", ack=False))
        member = await come(here, alice)

    assert member.given == []


# To whom


async def test_who_joined_later_is_not_given_what_was_said_before(
    alice: User, charlie: User, family: Family, smith: Topic
) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith))
        await announced(here, lambda: Membership.objects.create(family=family, user=charlie, role="member"))
        await announced(here, lambda: notice(2, smith))
        member, other = await come(here, charlie), await come(here, alice)

    assert (member.given, other.given) == ([(2, False)], [(1, False), (2, False)])


async def test_who_left_is_not_given_it_nor_who_left_and_came_back(bob: User, family: Family, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith))
        await announced(here, lambda: Membership.objects.filter(user=bob).delete())
        gone = await come(here, bob)
        await announced(here, lambda: notice(2, smith))
        await announced(here, lambda: Membership.objects.create(family=family, user=bob, role="member"))
        await announced(here, lambda: notice(3, smith))
        back = await come(here, bob)

    assert (gone.given, back.given) == ([], [(3, False)])


async def test_what_is_said_to_everyone_is_not_given_to_who_came_into_being_later(
    alice: User, make_user: Callable[..., User]
) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, GLOBAL))
        newcomer = await run_db(make_user, "newcomer")
        await announced(here, lambda: notice(2, GLOBAL))
        member, other = await come(here, newcomer), await come(here, alice)

    assert (member.given, other.given) == ([(2, False)], [(1, False), (2, False)])


async def test_who_was_deactivated_meanwhile_is_given_what_was_said_since_they_are_back(bob: User) -> None:
    def activate(is_active: bool) -> None:
        User.objects.filter(pk=bob.pk).update(is_active=is_active)

    async with standing() as here:
        await announced(here, lambda: activate(False), lambda: notice(1, GLOBAL, user_topic(bob.pk)))
        await announced(here, lambda: activate(True), lambda: notice(2, GLOBAL, user_topic(bob.pk)))
        member = await come(here, bob)

    assert member.given == [(2, False), (2, False)]


async def test_who_loses_the_topic_between_admission_and_the_giving_is_not_given_it(
    bob: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith))
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
