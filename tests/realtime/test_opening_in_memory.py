"""From any cursor memory gives the beginning that the log gives, or leaves it to the log."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import Membership, User
from accounts.topics import user_topic
from realtime import admission, log
from realtime.admission import admit, open_in_memory
from realtime.hub import Hub
from realtime.protocol.cursor import Cursor
from realtime.resume import Wanted, open_subscriber
from realtime.rights import Rights
from realtime.threads import run_db
from realtime.tokens import Presented
from realtime.topics import Topic, topic
from tests.realtime.admitting import announced, connect, enter, scope_of, token_of
from tests.realtime.recorder import cursor_at, grow, present, prune_all, sequence, standing, tell, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]

GLOBAL = topic("global")


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
