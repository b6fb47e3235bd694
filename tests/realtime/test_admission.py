"""The way in: what it asks of the database, and that rights from memory are as exact as those that were just read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.authentication import issue
from accounts.models import Family, Membership, User
from accounts.sessions import sign_out
from accounts.topics import family_topic, user_topic
from config.asgi import application
from ledger.models import Account
from ledger.topics import account_topic
from realtime import admission, log, standings
from realtime.admission import Admitted, admit, open_in_memory
from realtime.conf import conf
from realtime.hub import Hub
from realtime.hubs import hub
from realtime.protocol.cursor import Cursor
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Frame
from realtime.relay import relay
from realtime.resume import Wanted, open_subscriber, replay
from realtime.rights import Rights
from realtime.threads import run_db
from realtime.tokens import Presented
from realtime.topics import Topic, topic
from tests.realtime.counting import counted_queries
from tests.realtime.recorder import (
    Recorder,
    announce,
    cursor_at,
    grow,
    present,
    prune_all,
    sequence,
    standing,
    tell,
    until,
)

pytestmark = pytest.mark.django_db(transaction=True)

GLOBAL = topic("global")
PATIENCE = 30


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The tests sequence and announce by themselves, and nothing happens by the clock."""
    monkeypatch.setattr(relay, "wake", lambda: None)
    settings.REALTIME = {**settings.REALTIME, "TICK": 3600.0, "HEARTBEAT_INTERVAL": 3600.0}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes rights does so in another process: this one hears of it by the log alone."""
    monkeypatch.setattr("realtime.rights.forget", lambda user_id: None)


@pytest.fixture
def smith(family: Family) -> Topic:
    """The topic of alice's, bob's and vera's family."""
    sequence()
    return family_topic(family.pk)


def token_of(user: User) -> str:
    return str(issue(User.objects.get(pk=user.pk)).access_token)


def scope_of(token: str) -> dict[str, Any]:
    headers = [(b"host", b"testserver"), (b"authorization", f"Bearer {token}".encode())]
    return {"type": "websocket", "scheme": "ws", "path": "/ws", "query_string": b"", "headers": headers}


class Guest(Recorder):
    """A client that writes down Notes alone, and not what is told of its own coming and going."""

    def deliver(self, frame: Frame) -> None:
        if frame.entry.type == "Note":
            super().deliver(frame)


async def enter(
    at: Hub, token: str, *named: Topic, cursor: Cursor | None = None, automatic: bool = True
) -> tuple[Admitted, Recorder]:
    """Come in as a transport does, and be told nothing yet."""
    wanted = Wanted(frozenset(named), automatic=automatic)
    admitted = await admit(at.follower, scope_of(token), lambda user: wanted, cursor)
    return admitted, Guest(at, admitted.opening.state)


async def join(at: Hub, admitted: Admitted, member: Recorder) -> Recorder:
    await replay(at, member, lambda: admitted.credentials.user, admitted.asked)
    return member


async def connect(at: Hub, token: str, *named: Topic, **options: Any) -> Recorder:
    return await join(at, *await enter(at, token, *named, **options))


async def announced(at: Hub, *works: Callable[[], Any]) -> None:
    """Do all of it, give it its places, and let the follower hear of it."""
    for work in works:
        await run_db(work)
    await announce(at)


def leave(user: User) -> None:
    Membership.objects.filter(user=user).delete()


def come_back(user: User, family: Family) -> None:
    Membership.objects.create(user=user, family=family, role="member")


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


# Memory says what the log says


Happening = st.sampled_from(["event", "event", "other", "lose", "gain"])


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(st.lists(Happening, max_size=10), st.lists(Happening, max_size=4), st.booleans(), st.booleans())
async def test_from_any_cursor_memory_gives_the_same_beginning_as_the_log(
    alice: User, smith: Topic, before: list[str], after: list[str], automatic: bool, named: bool
) -> None:
    base = await run_db(lambda: log.head().position)
    async with standing() as here:
        for happening in before:
            await announced(here, lambda happening=happening: happen(happening, alice, smith))
        wanted = Wanted(frozenset([GLOBAL] if named else []), automatic=automatic)
        token = await run_db(token_of, alice)
        await admit(here.follower, scope_of(token), lambda user: wanted, None)
        for happening in after:  # since the rights were read
            await announced(here, lambda happening=happening: happen(happening, alice, smith))
        for place in [None, *range(base, here.follower.position + 1)]:
            cursor = None if place is None else await run_db(cursor_at, place)
            rights = (await admit_rights(here, token, wanted)) or None
            assert rights is not None

            found = open_in_memory(here.follower, rights, wanted, cursor)

            asked = await run_db(lambda cursor=cursor: open_subscriber(lambda: present(alice), wanted, cursor))
            if found is None:  # what was lost for good, memory cannot tell
                assert asked.lost
                continue
            assert described(found) == described(asked)


async def admit_rights(here: Hub, token: str, wanted: Wanted) -> Rights | None:
    claim = await admission.claim_of(Presented("header", token))
    found = await here.follower.rights.admit(claim, wanted.named)
    return found[0] if found else None


def happen(what: str, user: User, smith: Topic) -> None:
    """Something is told, or the user leaves or comes back to the family, as far as they can."""
    key = smith.partition(":")[2]
    match what:
        case "event":
            tell(1, to=[smith])
        case "other":
            tell(2, to=[GLOBAL, user_topic(user.pk)])
        case "lose":
            Membership.objects.filter(user=user).update(is_active=False)
        case "gain":
            Membership.objects.filter(user=user, family=key).update(is_active=True)


def described(opening: Any) -> tuple[Any, ...]:
    state = opening.state
    return (state.cursor, state.rights_position, state.topics, opening.seqs, opening.reset, opening.lost)


async def test_a_cursor_that_memory_does_not_know_is_asked_of_the_log(
    alice: User, smith: Topic, settings: Settings
) -> None:
    token = await run_db(token_of, alice)
    await run_db(lambda: [grow_by_one() for _ in range(4)])
    settings.REALTIME = {**settings.REALTIME, "TAIL_EVENTS": 3}
    async with standing() as here:
        place = here.follower.place
        resets = {}
        for name, cursor in {
            "known": place,
            "other epoch": Cursor("another", place.position, place.check),
            "ahead": Cursor(place.epoch, place.position + 1, 7),
            "another entry": Cursor(place.epoch, place.position, place.check ^ 1),
            "older": await run_db(cursor_at, place.position - 4),
        }.items():
            admitted, _ = await enter(here, token, cursor=cursor)
            resets[name] = (admitted.opening.reset, admitted.opening.state.cursor == cursor)

    assert resets == {
        "known": (None, True),
        "other epoch": ("epoch", False),
        "ahead": ("ahead", False),
        "another entry": ("epoch", False),
        "older": (None, True),
    }


@pytest.mark.parametrize("kept", [False, True])
async def test_what_was_pruned_is_for_nobody_though_memory_has_it(alice: User, smith: Topic, kept: bool) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        place = here.follower.place
        await grow(here, 1, 2, to=[smith])
        if kept:
            await connect(here, token)
        await run_db(prune_all)
        if kept:  # else it is read with the rights
            here.follower._doubt.set()
            await until(lambda: here.follower.floor > place.position)

        admitted, _ = await enter(here, token, cursor=place)

        assert admitted.opening.reset == "trimmed"
        assert here.follower.since(place.position) is not None


def grow_by_one() -> None:
    tell(1, to=[GLOBAL])
    sequence()


# Rights that change


async def test_who_comes_with_kept_rights_after_an_unheard_removal_is_told_and_hears_nothing_later(
    alice: User, smith: Topic, elsewhere: None
) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        await connect(here, token)
        await run_db(leave, alice)
        await run_db(lambda: tell(1, to=[smith]))
        await run_db(lambda: tell(2, to=[GLOBAL]))
        with counted_queries() as queries:
            admitted, member = await enter(here, token)
        assert queries == []
        assert smith in admitted.opening.state.topics
        await join(here, admitted, member)

        await announce(here)

        assert member.said == [("revoked", smith), 2]


async def test_a_removal_that_is_heard_between_admission_and_joining_is_obeyed(alice: User, smith: Topic) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        for _ in range(2):  # with rights that were read, and with those that were kept
            admitted, member = await enter(here, token)
            assert smith in admitted.opening.state.topics
        await announced(here, lambda: leave(alice), lambda: tell(1, to=[smith]), lambda: tell(2, to=[GLOBAL]))

        await join(here, admitted, member)

        assert member.said == [("revoked", smith), 2]
        assert smith not in (await enter(here, token))[0].opening.state.topics


async def test_a_removal_while_rights_are_being_read_makes_them_be_read_again(
    alice: User, smith: Topic, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        loop, read, removals = asyncio.get_running_loop(), standings.read, [leave]

        def read_and_lose(*args: Any) -> Any:
            found = read(*args)
            while removals:
                removals.pop()(alice)
                asyncio.run_coroutine_threadsafe(hear(sequence()), loop).result(PATIENCE)
            return found

        async def hear(batch: Any) -> None:
            here.follower.take(batch)

        monkeypatch.setattr(standings, "read", read_and_lose)

        member = await connect(here, token)
        await grow(here, 1, to=[smith])

        assert smith not in member.state.topics
        assert member.said == []


async def test_rights_that_never_rest_while_they_are_read_are_a_refusal(
    alice: User, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        read = standings.read

        def read_and_drop(*args: Any) -> Any:
            here.follower.rights.drop(str(alice.pk))
            return read(*args)

        monkeypatch.setattr(standings, "read", read_and_drop)

        with pytest.raises(ProtocolError) as refused:
            await enter(here, token)

    assert refused.value.code == "unavailable"


async def test_a_control_entry_that_comes_as_rights_are_handed_out_makes_them_be_asked_for_again(
    alice: User, smith: Topic, elsewhere: None
) -> None:
    """Between the reader's answer and the client that waited for it, the event loop may turn."""
    token = await run_db(token_of, alice)
    async with standing() as here:
        rights = here.follower.rights
        settle = rights._settle
        removals = [1]

        def settle_and_lose(*args: Any) -> None:
            for _ in removals[:]:
                removals.clear()
                rights._loop.call_soon(here.follower.take, batch)  # ahead of the client, who is called next
            settle(*args)

        rights._settle = settle_and_lose  # type: ignore[method-assign]
        asking = asyncio.ensure_future(enter(here, token))
        read = standings.read

        def read_and_lose(*args: Any) -> Any:
            nonlocal batch
            found = read(*args)
            if batch is None:
                leave(alice)
                batch = sequence()
            return found

        batch: Any = None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(standings, "read", read_and_lose)
            admitted, _ = await asking

        assert smith not in admitted.opening.state.topics


async def test_who_left_and_came_back_gets_only_what_was_said_since(alice: User, family: Family, smith: Topic) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        member = await connect(here, token)
        here.leave(member)
        place = member.state.cursor
        await grow(here, 1, to=[smith])
        await announced(here, lambda: leave(alice), lambda: tell(2, to=[smith]))
        between = await connect(here, token, cursor=place)
        await announced(here, lambda: come_back(alice, family), lambda: tell(3, to=[smith]))

        for _ in range(2):  # with rights that were read, and with those that were kept
            again = await connect(here, token, cursor=place)
            assert said(again) == [3]
        assert said(between) == []


def said(member: Recorder) -> list[Any]:
    return [word for word in member.said if isinstance(word, int)]


async def test_rights_that_were_changed_and_have_no_place_yet_are_left_to_the_log(
    alice: User, family: Family, smith: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who comes back as a member would be sent what was said while they were none."""
    token = await run_db(token_of, alice)
    await run_db(leave, alice)
    await run_db(sequence)
    place = await run_db(lambda: log.head().cursor)
    await run_db(lambda: tell(1, to=[smith]))
    await run_db(sequence)
    async with standing() as here:
        await run_db(come_back, alice, family)
        monkeypatch.setattr(relay, "wake", sequence)  # whoever waits for its place gets it

        admitted, _ = await enter(here, token, cursor=place)

        assert admitted.opening.state.topics[smith] > place.position
        assert len(here.follower.rights) == 0


async def test_another_history_forgets_all_rights(alice: User, smith: Topic) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        await connect(here, token)
        await run_db(lambda: Membership.objects.filter(user=alice).untold_update(is_active=False))  # as a dump has it
        await run_db(log.new_epoch)
        here.follower._doubt.set()
        await until(lambda: here.follower.histories == 2)

        admitted, _ = await enter(here, token)

        assert admitted.opening.state.epoch == here.follower.epoch
        assert smith not in admitted.opening.state.topics


async def test_a_history_that_this_process_has_not_noticed_is_left_to_the_log(alice: User, smith: Topic) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        epoch = await run_db(log.new_epoch)

        admitted, _ = await enter(here, token)

        assert admitted.opening.state.epoch == epoch


# Credentials


async def test_a_token_from_after_a_sign_out_is_good_though_what_is_kept_is_older(alice: User, smith: Topic) -> None:
    old = await run_db(token_of, alice)
    async with standing() as here:
        await connect(here, old)
        await run_db(lambda: User.objects.filter(pk=alice.pk).untold_update(sign_outs=1))  # not even told
        new = await run_db(token_of, alice)

        admitted, _ = await enter(here, new)

        assert admitted.credentials.user.sign_outs == 1


async def test_after_a_sign_out_in_this_process_the_next_connection_is_refused(alice: User, smith: Topic) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        await connect(here, token)
        await run_db(sign_out, alice.pk)

        with pytest.raises(ProtocolError) as refused:
            await enter(here, token)

        assert refused.value.code == "unauthenticated"


async def test_after_the_news_of_a_sign_out_the_next_connection_is_refused(
    alice: User, smith: Topic, elsewhere: None
) -> None:
    token = await run_db(token_of, alice)
    async with standing() as here:
        member = await connect(here, token)
        await run_db(sign_out, alice.pk)
        late = await connect(here, token)

        await announce(here)

        assert member.said == late.said == ["ended"]
        with pytest.raises(ProtocolError) as refused:
            await enter(here, token)
        assert refused.value.code == "unauthenticated"


@pytest.mark.parametrize(
    "change",
    [
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        lambda user: User.objects.filter(pk=user.pk).update(password="another"),
        lambda user: User.objects.get(pk=user.pk).delete(),
        lambda user: sign_out(user.pk),
        lambda user: User.objects.filter(pk=user.pk).update(is_staff=False),
        lambda user: User.objects.filter(pk=user.pk).update(is_staff=True),
        lambda user: Membership.objects.filter(user=user).update(is_active=False),
        lambda user: Membership.objects.filter(user=user).delete(),
        lambda user: Family.objects.all().delete(),
    ],
    ids=["deactivated", "password", "deleted", "signed out", "no staff", "staff", "inactive", "left", "family deleted"],
)
async def test_every_change_of_what_is_kept_is_a_control_entry(
    alice: User, smith: Topic, elsewhere: None, change: Callable[[User], Any], request: pytest.FixtureRequest
) -> None:
    is_staff = request.node.callspec.id == "no staff"
    await run_db(lambda: User.objects.filter(pk=alice.pk).update(is_staff=is_staff))
    await run_db(sequence)
    token = await run_db(token_of, alice)
    async with standing() as here:
        await connect(here, token)
        assert len(here.follower.rights) == 1

        await announced(here, lambda: change(alice))

        assert len(here.follower.rights) == 0


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
