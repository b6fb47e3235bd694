"""What was acknowledged is given again to nobody of that user, however late the acknowledgement came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from realtime import again
from realtime.admission import admit
from realtime.again import give_again
from realtime.resume import Wanted
from realtime.threads import run_db
from realtime.topics import Topic, topic
from tests.realtime.admitting import announced, scope_of, token_of
from tests.realtime.notices import Guest, come, confirm, confirm_elsewhere, notice
from tests.realtime.recorder import standing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]

GLOBAL = topic("global")


@pytest.mark.parametrize("way", [confirm, confirm_elsewhere])
async def test_what_was_acknowledged_is_given_again_to_no_client_of_that_user(
    alice: User, bob: User, smith: Topic, way: Callable[..., None]
) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith), lambda: notice(2, smith))
        await come(here, alice)
        await run_db(way, alice, 1)
        member, other = await come(here, alice), await come(here, bob)

    assert (member.given, other.given) == ([(2, False)], [(1, False), (2, False)])


@pytest.mark.parametrize("way", [confirm, confirm_elsewhere])
async def test_an_acknowledgement_while_the_client_is_being_admitted_counts(
    alice: User, smith: Topic, way: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing() as here:
        await announced(here, lambda: notice(1, smith))
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
        await announced(here, lambda: notice(1, smith), lambda: notice(2, smith))
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
        await announced(here, *(lambda n=n: notice(n, smith) for n in (1, 2, 3)))
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
        await announced(here, lambda: notice(1, smith))
        await run_db(take_back)
        member = await come(here, alice)

    assert member.given == [(1, False)]
