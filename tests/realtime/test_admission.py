"""The way in: what it asks of the database, what it grants and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from pytest_django import Settings

from accounts.models import Family, User
from config.asgi import application
from ledger.models import Account
from ledger.topics import account_topic
from realtime import log
from realtime.admission import admit
from realtime.conf import conf
from realtime.hubs import hub
from realtime.protocol.cursor import Cursor
from realtime.protocol.errors import ProtocolError
from realtime.resume import Wanted
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.admitting import connect, enter, scope_of, token_of
from tests.realtime.counting import counted_queries
from tests.realtime.recorder import sequence, standing, tell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]

GLOBAL = topic("global")
PATIENCE = 30

# What it costs


async def test_a_connection_costs_one_query_and_the_next_of_that_user_none(
    alice: User, bob: User, smith: Topic
) -> None:
    tokens = [await run_db(token_of, user) for user in (alice, bob)]
    async with standing() as here:
        with counted_queries() as first:
            await connect(here, tokens[0])
        with counted_queries() as again:
            await connect(here, tokens[0])
            await connect(here, tokens[0], smith)
            await connect(here, tokens[0], smith, cursor=here.follower.place, automatic=False)
        with counted_queries() as other:
            await connect(here, tokens[1])

    assert (len(first), len(again), len(other)) == (1, 0, 1)


async def test_another_token_of_the_same_user_costs_none(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await connect(here, await run_db(token_of, alice))
        token = await run_db(token_of, alice)
        with counted_queries() as queries:
            await connect(here, token)

    assert queries == []


async def test_rights_are_read_anew_after_their_time_and_always_where_they_are_not_kept(
    alice: User, smith: Topic, settings: Settings
) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        now = [0.0]
        here.follower.rights._clock = lambda: now[0]
        counts = []
        for passed, kept in ((0, 30), (29, 30), (31, 30), (31, 0), (31, 0)):
            settings.REALTIME = {**settings.REALTIME, "RIGHTS_CACHE": kept}
            now[0] = float(passed)
            with counted_queries() as queries:
                await connect(here, token)
            counts.append(len(queries))

    assert counts == [1, 0, 1, 1, 1]


async def test_rights_whose_time_is_up_take_no_room(alice: User, bob: User, smith: Topic) -> None:
    tokens = [await run_db(token_of, user) for user in (alice, bob)]
    async with standing() as here:
        now, rights = [0.0], here.follower.rights
        rights._clock = lambda: now[0]
        await connect(here, tokens[0])
        now[0] = conf.RIGHTS_CACHE - 1.0
        await connect(here, tokens[1])

        now[0] = conf.RIGHTS_CACHE + 1.0
        rights.let_go()

        assert list(rights._kept) == [str(bob.pk)]
        with counted_queries() as queries:
            await connect(here, tokens[1])
        assert queries == []


async def test_who_asks_while_rights_are_read_goes_together_with_others(
    alice: User, bob: User, vera: User, charlie: User, smith: Topic, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "RIGHTS_CACHE": 0}
    tokens = [await run_db(token_of, user) for user in (alice, bob, vera, charlie)]
    async with standing() as here:
        with counted_queries() as queries:
            members = await asyncio.gather(*(connect(here, token) for token in tokens * 25))

    assert {member.state.user_id for member in members} == {str(user.pk) for user in (alice, bob, vera, charlie)}
    assert len(queries) == 1


async def test_a_batch_is_bounded(alice: User, bob: User, vera: User, smith: Topic, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "RIGHTS_BATCH": 2, "RIGHTS_USERS": 2}
    tokens = [await run_db(token_of, user) for user in (alice, bob, vera)]
    async with standing() as here:
        with counted_queries() as queries:
            await asyncio.gather(*(connect(here, token) for token in tokens))
        rights = here.follower.rights

        assert len(queries) == 2
        assert len(rights) == 2
        known = set().union(*(one.granted for one in rights._kept.values()))
        assert rights._seqs.keys() == rights._uses.keys() == known
        assert {kept.user_id for kept, _ in rights._by_token.values()} == rights._kept.keys()
        rights.clear()
        assert not (rights._seqs or rights._uses or rights._by_token or len(rights))


@asynccontextmanager
async def sockets(paths: list[tuple[str, str]]) -> AsyncIterator[list[WebsocketCommunicator]]:
    """Connect to the ASGI application, all at once, as after a restart."""
    opened = [
        WebsocketCommunicator(
            application, path, headers=[(b"host", b"testserver"), (b"authorization", f"Bearer {token}".encode())]
        )
        for path, token in paths
    ]
    answers = await asyncio.gather(*(one.connect(timeout=PATIENCE) for one in opened))
    assert {answer for answer, _ in answers} == {True}
    yield opened
    for one in opened:
        await one.disconnect(timeout=PATIENCE)


async def test_a_storm_of_clients_that_come_back_costs_less_than_a_query_for_ten(
    make_user: Callable[..., User], make_family: Callable[..., Family]
) -> None:
    users, cursors, tokens = await run_db(crowd, make_user, make_family)
    missed = {str(user.pk): range(number, 12) for number, user in enumerate(users)}
    clients = [
        (f"/ws?cursor={cursors[number].encode()}", tokens[number]) for number in range(len(users)) for _ in range(20)
    ]

    with counted_queries(looks=True) as queries:
        async with sockets(clients) as opened:
            for number, socket in enumerate(opened):
                connected = await socket.receive_json_from(timeout=PATIENCE)
                user_id = connected["data"]["user_id"]
                assert user_id == str(users[number // 20].pk)
                assert [await note(socket) for _ in missed[user_id]] == list(missed[user_id])
    await hub().follower.stop()

    assert len(clients) == 240
    assert len(queries) < len(clients) / 10


def crowd(
    make_user: Callable[..., User], make_family: Callable[..., Family]
) -> tuple[list[User], list[Cursor], list[str]]:
    """Twelve users of twelve families, each of whom has missed more of what was told to all."""
    users = [make_user(f"user{number}") for number in range(12)]
    for user in users:
        make_family(user.username, owner=user)
    sequence()
    cursors = []
    for number in range(12):
        cursors.append(log.head().cursor)
        tell(number, to=[GLOBAL])
        sequence()
    return users, cursors, [token_of(user) for user in users]


async def note(socket: WebsocketCommunicator) -> int:
    while True:
        frame = await socket.receive_json_from(timeout=PATIENCE)
        if frame["type"] == "Note":
            number: int = frame["data"]["n"]
            return number


# What it grants


async def test_topics_that_are_named_are_granted_or_refused_as_ever(
    alice: User, bob: User, family: Family, smith: Topic
) -> None:
    token = await run_db(token_of, alice)
    open_one = await run_db(lambda: Account.objects.create(family=family, owner=bob, name="x", currency="EUR"))
    private = await run_db(
        lambda: Account.objects.create(family=family, owner=bob, name="y", currency="EUR", is_private=True)
    )
    await run_db(sequence)
    async with standing() as here:
        counts = []
        for _ in range(2):
            with counted_queries() as queries:
                admitted, _ = await enter(here, token, account_topic(open_one.pk), automatic=False)
            counts.append(len(queries))
            assert admitted.opening.state.topics.keys() == {account_topic(open_one.pk)}
            assert admitted.opening.seqs == await run_db(lambda: log.heads([account_topic(open_one.pk)])[1])
        for name in (account_topic(private.pk), Topic("account:x"), Topic("staff"), Topic("\x00")):
            with pytest.raises(ProtocolError) as refused:
                await enter(here, token, name)
            assert refused.value.code == "forbidden"

    assert counts == [1, 0]


async def test_what_is_asked_too_much_is_said_only_to_whom_the_credential_is_good_for(
    alice: User, smith: Topic
) -> None:
    def too_many(user: Any) -> Wanted:
        raise ProtocolError("too_many_subscriptions")

    token = await run_db(token_of, alice)
    async with standing() as here:
        with pytest.raises(ProtocolError) as refused:
            await admit(here.follower, scope_of(token), too_many, None)
        await run_db(lambda: User.objects.filter(pk=alice.pk).untold_update(sign_outs=7))
        here.follower.rights.clear()
        with pytest.raises(ProtocolError) as unknown:
            await admit(here.follower, scope_of(token), too_many, None)

    assert (refused.value.code, unknown.value.code) == ("too_many_subscriptions", "unauthenticated")
