"""Who is to be looked at when: each in its time, once, and nobody else on the way."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from realtime.wheel import Wheel


class Thing:
    def __init__(self) -> None:
        self.slot = 0


def test_what_is_due_is_given_out_once_and_in_the_order_of_its_time() -> None:
    wheel: Wheel[Thing] = Wheel(1.0)
    early, late, never = Thing(), Thing(), Thing()
    wheel.put(late, 12.5)
    wheel.put(early, 11.2)
    wheel.put(never, math.inf)

    assert list(wheel.due(11.9)) == []
    assert list(wheel.due(20.0)) == [early, late]
    assert list(wheel.due(1000.0)) == []
    assert not wheel._slots


def test_what_is_put_on_again_is_given_out_at_the_new_time_alone() -> None:
    wheel: Wheel[Thing] = Wheel(1.0)
    thing = Thing()
    wheel.put(thing, 5.0)
    wheel.put(thing, 8.0)

    assert list(wheel.due(6.0)) == []
    wheel.put(thing, 7.0)
    assert list(wheel.due(7.0)) == [thing]


def test_what_is_dropped_meanwhile_is_not_given_out_and_what_is_put_on_waits() -> None:
    wheel: Wheel[Thing] = Wheel(1.0)
    things = [Thing() for _ in range(4)]
    for thing in things:
        wheel.put(thing, 3.0)
    given_out = []

    for thing in wheel.due(3.0):
        given_out.append(thing)
        wheel.put(thing, 2.0)  # late already: still, not in this round
        for other in things:
            if other not in given_out:
                wheel.drop(other)

    assert len(given_out) == 1
    assert list(wheel.due(3.9)) == []
    assert list(wheel.due(4.0)) == given_out


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 5), st.floats(0, 30)),
            st.tuples(st.just("drop"), st.integers(0, 5), st.just(0.0)),
            st.tuples(st.just("turn"), st.just(0), st.floats(0, 5)),
        )
    )
)
def test_nothing_comes_early_twice_or_more_than_a_tick_late(steps: list[tuple[str, int, float]]) -> None:
    wheel: Wheel[Thing] = Wheel(0.5)
    things = [Thing() for _ in range(6)]
    due: dict[Thing, float] = {}
    now = 0.0
    for step, number, seconds in steps:
        thing = things[number]
        if step == "put":
            wheel.put(thing, now + seconds)
            due[thing] = now + seconds
        elif step == "drop":
            wheel.drop(thing)
            due.pop(thing, None)
        else:
            now += seconds
            for came in wheel.due(now):
                assert due.pop(came) <= now
        assert all(when > now - 0.5 for when in due.values())
    assert sum(len(slot) for slot in wheel._slots.values()) == len(due)
