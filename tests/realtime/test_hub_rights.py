"""What the log says of rights is obeyed by everybody in this process before anything later is told."""

from __future__ import annotations

import pytest

from accounts.models import User
from realtime.outbox import end_sessions, rights_changed
from realtime.topics import Topic, topic
from tests.realtime.recorder import change, connect, is_empty, opened, standing, tell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]

GLOBAL = topic("global")


async def test_rights_are_lost_before_anything_later_is_handed_out(alice: User, bob: User, smith: Topic) -> None:
    async with standing() as hub:
        removed, staying = await connect(hub, alice, smith, GLOBAL), await connect(hub, bob, smith)

        await change(
            hub,
            lambda: tell(1, to=[smith]),
            lambda: rights_changed(alice.pk, lost=[smith]),
            lambda: tell(2, to=[smith]),
            lambda: tell(3, to=[GLOBAL]),
        )

        assert removed.said == [1, ("revoked", smith), 3]
        assert staying.said == [1, 2]
        hub.leave(removed)
        hub.leave(staying)
        assert is_empty(hub)


async def test_gained_topics_are_offered_with_the_place_of_the_joining(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        member = await connect(hub, alice, GLOBAL)

        await change(hub, lambda: rights_changed(alice.pk, gained=[smith]))

        assert member.said == [("gained", smith, hub.follower.position)]


async def test_ended_sessions_end_each_connection_of_the_user_and_nobody_else_s(
    alice: User, bob: User, smith: Topic
) -> None:
    async with standing() as hub:
        ended = [await connect(hub, alice, smith), await connect(hub, alice, GLOBAL)]
        staying = await connect(hub, bob, smith)

        await change(hub, lambda: end_sessions(alice.pk), lambda: tell(1, to=[smith, GLOBAL]))

        assert [member.said for member in ended] == [["ended"], ["ended"]]
        assert staying.said == [1]


async def test_who_joins_obeys_what_stands_in_the_tail(alice: User, smith: Topic) -> None:
    async with standing() as hub:
        start = await opened(hub, alice, smith, GLOBAL)
        ending = await opened(hub, alice, smith)
        await change(
            hub,
            lambda: tell(1, to=[smith]),
            lambda: rights_changed(alice.pk, lost=[smith]),
            lambda: tell(2, to=[smith, GLOBAL]),
        )
        await change(hub, lambda: end_sessions(alice.pk), lambda: tell(3, to=[GLOBAL]))

        assert not hub.join(start)
        assert not hub.join(ending)

        assert start.said == [1, ("revoked", smith), 2, "ended"]
        assert ending.said == [1, ("revoked", smith), "ended"]
        assert is_empty(hub)
