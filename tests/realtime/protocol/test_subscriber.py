"""Which entries one client must get: what the subscriber state orders, rule by rule."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Entry, RightsChange
from realtime.protocol.subscriber import (
    DELIVER,
    End,
    Gain,
    Revoke,
    Subscriber,
    joinings,
    losses,
    page_problem,
    resume_problem,
)
from tests.realtime.protocol.entries import control, ending, event


def subscriber(*, position: int = 0, rights: int | None = None, topics: Iterable[str] = ("family:a",)) -> Subscriber:
    return Subscriber(
        "alice",
        epoch="e",
        position=position,
        rights_position=position if rights is None else rights,
        topics=dict.fromkeys(topics, 0),
    )


def test_what_one_client_joins_and_leaves_is_nothing_to_another_that_shares_its_topics() -> None:
    shared = {"family:a": 0, "global": 0}
    one, other = (
        Subscriber(user, epoch="e", position=100, rights_position=100, topics=shared) for user in ("alice", "bob")
    )

    one.join("account:x", 120)
    one.leave("global")

    assert one.topics == {"family:a": 0, "account:x": 120}
    assert other.topics == {"family:a": 0, "global": 0}


def test_what_is_on_a_topic_is_delivered_and_moves_the_place() -> None:
    state = subscriber()

    orders = state.offer(event(3))

    assert orders == (DELIVER,)
    assert state.cursor == Cursor("e", 3, event(3).check)


def test_what_is_on_another_topic_moves_the_place_and_nothing_more() -> None:
    state = subscriber()

    assert state.offer(event(3, "family:b")) == ()
    assert state.position == 3


@pytest.mark.parametrize("position", [4, 5])
def test_an_entry_offered_again_is_ignored(position: int) -> None:
    state = subscriber(position=5)

    assert state.offer(event(position)) == ()
    assert state.cursor == Cursor("e", 5, 0)


def test_the_place_never_goes_back() -> None:
    state = subscriber(position=5)

    state.advance(4, 99)

    assert state.cursor == Cursor("e", 5, 0)


def test_what_stands_at_the_joining_is_not_delivered_and_what_follows_is() -> None:
    state = subscriber(topics=())
    state.join("family:a", 7)

    assert state.offer(event(7)) == ()
    assert state.offer(event(8)) == (DELIVER,)


def test_a_revoked_topic_is_left_before_anything_later_is_handed_out() -> None:
    state = subscriber(topics=("family:a", "family:b"))

    orders = state.offer(control(1, "alice", lost=["family:a", "account:c"]))

    assert orders == (Revoke(("family:a",)),)
    assert state.offer(event(2)) == ()
    assert state.offer(event(3, "family:b")) == (DELIVER,)


def test_a_control_entry_about_somebody_else_changes_nothing() -> None:
    state = subscriber()

    assert state.offer(control(1, "bob", lost=["family:a"])) == ()
    assert state.offer(ending(2, "bob")) == ()
    assert state.offer(event(3)) == (DELIVER,)


def test_a_user_whose_name_begins_like_another_s_is_somebody_else() -> None:
    state = subscriber()

    assert state.offer(ending(1, "alice2")) == ()
    assert state.offer(event(2)) == (DELIVER,)


def test_a_control_entry_older_than_the_rights_is_ignored() -> None:
    state = subscriber(position=0, rights=2)

    assert state.offer(control(1, "alice", lost=["family:a"])) == ()
    assert state.offer(ending(2, "alice")) == ()
    assert state.changes == 0
    assert state.offer(event(3)) == (DELIVER,)


def test_each_obeyed_control_entry_is_counted_so_that_rights_read_before_it_are_known_as_stale() -> None:
    state = subscriber()

    state.offer(control(1, "alice", gained=["family:b"]))
    state.offer(control(2, "alice", lost=["family:b"]))

    assert state.changes == 2
    assert state.rights_position == 2


def test_gained_topics_are_offered_from_the_place_of_the_joining() -> None:
    state = subscriber()

    orders = state.offer(control(4, "alice", gained=["family:b", "family:a"]))

    assert orders == (Gain(("family:b",), 4),)


def test_what_is_lost_and_gained_in_one_change_is_left_and_offered_again() -> None:
    state = subscriber()

    orders = state.offer(control(4, "alice", gained=["family:a"], lost=["family:a"]))

    assert orders == (Revoke(("family:a",)), Gain(("family:a",), 4))


def test_ended_sessions_hand_out_nothing_later() -> None:
    state = subscriber()

    assert state.offer(ending(1, "alice")) == (End(),)
    assert state.offer(event(2)) == ()
    assert state.offer(control(3, "alice", gained=["family:b"])) == ()


def test_starting_over_keeps_the_topics_and_nothing_else() -> None:
    state = subscriber(position=90, topics=("family:a", "family:b"))
    state.join("family:b", 85)

    state.restart(epoch="f", position=5, check=6)

    assert (state.cursor, state.rights_position) == (Cursor("f", 5, 6), 5)
    assert state.offer(event(6, "family:b")) == (DELIVER,)


@pytest.mark.parametrize(
    ("cursor", "problem"),
    [
        (Cursor("e", 100, 7), None),
        (Cursor("e", 20, 7), None),
        (Cursor("e", 19, 7), "trimmed"),
        (Cursor("e", 101, 7), "ahead"),
        (Cursor("f", 100, 7), "epoch"),
        (Cursor("f", 101, 7), "epoch"),
        (Cursor("e", 100, 8), "epoch"),
    ],
)
def test_a_cursor_is_good_from_the_floor_to_the_head_of_its_own_history(cursor: Cursor, problem: str | None) -> None:
    found = resume_problem(cursor, epoch="e", position=100, floor=20, check=7, longest=80)

    assert found == problem


@pytest.mark.parametrize(("position", "problem"), [(40, None), (39, "trimmed")])
def test_a_replay_longer_than_the_bound_is_refused(position: int, problem: str | None) -> None:
    assert resume_problem(Cursor("e", position, 7), epoch="e", position=100, floor=0, check=7, longest=60) == problem


def test_a_place_whose_entry_is_no_longer_known_is_another_history() -> None:
    assert resume_problem(Cursor("e", 40, 0), epoch="e", position=100, floor=0, check=None, longest=100) == "epoch"


@pytest.mark.parametrize(
    ("head_epoch", "head_position", "floor", "problem"),
    [("e", 50, 50, None), ("e", 50, 51, "trimmed"), ("e", 49, 0, "epoch"), ("f", 50, 0, "epoch")],
)
def test_a_page_is_whole_unless_the_head_says_otherwise(
    head_epoch: str, head_position: int, floor: int, problem: str | None
) -> None:
    found = page_problem(started=50, epoch="e", head_epoch=head_epoch, head_position=head_position, floor=floor)

    assert found == problem


def test_the_latest_joining_of_each_topic_counts() -> None:
    found = joinings(
        [
            control(3, "alice", gained=["family:a", "family:b"]),
            control(5, "alice", lost=["family:a"]),
            ending(6, "alice"),
            control(8, "alice", gained=["family:a"]),
        ]
    )

    assert found == {"family:a": 8, "family:b": 3}


def test_every_loss_is_named_once_whatever_came_of_it() -> None:
    found = losses(
        [
            control(3, "alice", lost=["family:b", "family:a"]),
            control(5, "alice", gained=["family:a"]),
            ending(6, "alice"),
            control(8, "alice", lost=["family:a"]),
        ]
    )

    assert found == ["family:b", "family:a"]


@given(st.lists(st.integers(1, 30), max_size=60))
def test_whatever_is_offered_again_each_entry_is_delivered_at_most_once_and_in_order(positions: list[int]) -> None:
    state = subscriber()

    got = [position for position in positions if DELIVER in state.offer(event(position))]

    assert got == sorted(set(got))
    assert state.position == max(positions, default=0)


def test_what_is_offered_is_taken_up_and_moves_no_replay() -> None:
    state = subscriber(topics=())
    data = msgspec.json.encode(RightsChange("alice", offered=["account:a"])).decode()
    entry = control(4, "alice", gained=["family:x"])
    offer = Entry(5, entry.topic, 2, entry.id, entry.type, data, entry.timestamp)

    orders = state.offer(offer)

    assert orders == (Gain(("account:a",), 5),)
    assert joinings([entry, offer]) == {"family:x": 4}
