"""What giving again costs the database, and what a process holds in memory of what is open."""

from __future__ import annotations

import asyncio

import pytest
from pytest_django import Settings

from accounts.models import Family, Membership, User
from accounts.topics import user_topic
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.admitting import announced, token_of
from tests.realtime.counting import counted_queries
from tests.realtime.notices import come, come_with, confirm_elsewhere, notice
from tests.realtime.recorder import sequence, standing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]

GLOBAL = topic("global")


# What it costs


async def test_a_user_with_nothing_open_costs_no_query(alice: User, bob: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, user_topic(bob.pk)), lambda: notice(2, smith, ack=False))
        await come(here, alice)
        with counted_queries() as queries:
            member = await come_with(here, await run_db(token_of, alice))

    assert (len(here.follower.again.wanting), member.given) == (1, [])
    assert [sql for sql in queries if "realtime_" in sql] == []


async def test_who_has_acknowledged_all_costs_queries_once(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith), lambda: notice(2, GLOBAL))
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
        await announced(here, lambda: notice(1, smith))
        await announced(here, lambda: Membership.objects.filter(user=bob).delete())
        await announced(here, lambda: Membership.objects.create(family=family, user=bob, role="member"))
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
        await announced(here, lambda: notice(1, GLOBAL))
        await run_db(lambda: [confirm_elsewhere(user, 1) for user in people[::2]])
        with counted_queries() as queries:
            members = await asyncio.gather(*(come_with(here, token) for token in tokens))

    assert [len(member.given) for member in members] == [0, 1] * 50
    assert len(queries) < 10


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
            await announced(here, write)
        await run_db(confirm_elsewhere, alice, 3, 20)
        member = await come(here, alice)
        held = len(here.follower.again.wanting)

    assert held <= 10
    assert [number for number, _ in member.given] == [number for number in numbers if number not in (3, 20)]


async def test_memory_lets_go_of_what_expired_before_of_anything_else(smith: Topic, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "WANTING_EVENTS": 10}
    async with standing() as here:
        await announced(here, *(lambda n=n: notice(n, smith, seconds=-1 if n % 2 else 60) for n in range(17)))
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
        await announced(here, lambda: notice(7, smith, about="a"))
        again_later = await come(here, alice)

    assert (known, given) == (2, [2, 6])
    assert [number for number, _ in again_later.given] == [6, 7]
