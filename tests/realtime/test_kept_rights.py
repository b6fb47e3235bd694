"""Rights and credentials from memory are as exact as those that were just read, whenever they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Family, Membership, User
from accounts.sessions import sign_out
from realtime import log, standings
from realtime.protocol.errors import ProtocolError
from realtime.relay import relay
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.admitting import announced, connect, enter, join, token_of
from tests.realtime.counting import counted_queries
from tests.realtime.recorder import Recorder, announce, grow, sequence, standing, tell, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]

GLOBAL = topic("global")
PATIENCE = 30


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes rights does so in another process: this one hears of it by the log alone."""
    monkeypatch.setattr("realtime.rights.forget", lambda user_id: None)


def leave(user: User) -> None:
    Membership.objects.filter(user=user).delete()


def come_back(user: User, family: Family) -> None:
    Membership.objects.create(user=user, family=family, role="member")


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


async def test_of_users_who_change_while_nobodys_rights_are_read_nothing_is_kept(alice: User, smith: Topic) -> None:
    async with standing() as here:
        await connect(here, await run_db(token_of, alice))
        await announced(here, lambda: leave(alice))

        assert not here.follower.rights._dropped


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
