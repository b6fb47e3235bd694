"""Fan-out: what goes out when, in which writes, and what a large one costs the small ones beside it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pytest_django import Settings

from realtime import fanout
from realtime.metrics import metrics
from realtime.protocol import frame
from realtime.protocol.entry import Entry
from realtime.protocol.frame import Form, Frame
from tests.realtime.house import EPOCH, House, Wire


async def test_at_rest_everybody_is_reached_before_the_batch_is_taken() -> None:
    house = House(stride=64)
    members = [house.member("a", wired=bool(number % 2)) for number in range(10)]

    house.tell("a")

    assert [member.said for member in members] == [[1]] * 10


async def test_what_one_turn_brings_goes_out_in_one_write_and_in_order() -> None:
    house = House(stride=64)
    one, two = house.member("a", wired=True), house.member("a", "b", wired=True)
    house.tell("c")  # somebody else was served in this turn
    other = house.member("c")

    house.tell("c")
    for topic in ("a", "b", "a", "b"):
        house.tell(topic)
    house.turns.take()

    assert (one.said, two.said, other.said) == ([3, 5], [3, 4, 5, 6], [2])
    assert isinstance(one.wire, Wire)
    assert isinstance(two.wire, Wire)
    assert (one.wire.writes, two.wire.writes) == ([2], [4])


async def test_no_write_is_larger_than_it_may_be(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "WRITE_BYTES": 1024}
    house = House(stride=64)
    members = [house.member("a", wired=True), house.member("a", "b", wired=True)]

    house.grow(*(("a", "Note", {"n": number, "text": "x" * 300}) for number in range(5)))

    for member in members:
        assert member.said == [0, 1, 2, 3, 4]
        assert isinstance(member.wire, Wire)
        assert member.wire.writes == [2, 2, 1]


async def test_what_takes_several_writes_is_joined_once_for_all(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REALTIME = {**settings.REALTIME, "WRITE_BYTES": 1024}
    house = House(stride=64)
    members = [house.member("a", wired=True) for _ in range(40)]
    joinings: list[int] = []

    def joined(frames: Sequence[Frame], form: Form, most: int) -> list[bytes]:
        joinings.append(len(frames))
        return frame.joined(frames, form, most)

    monkeypatch.setattr(fanout, "joined", joined)

    house.grow(*(("a", "Note", {"n": number, "text": "x" * 300}) for number in range(5)))

    assert [member.said for member in members] == [[0, 1, 2, 3, 4]] * 40
    assert joinings == [5]


async def test_a_small_fan_out_is_not_held_up_by_a_large_one(slices: None) -> None:
    house = House(stride=4)
    crowd = [house.member("a") for _ in range(40)]
    waiting, both = house.member("b"), house.member("a", "b")

    house.tell("a")
    house.tell("b")
    house.turns.take()

    assert waiting.said == [2]
    assert both.said == [1, 2], "nothing overtakes towards who waits for something earlier"
    assert [] in [member.said for member in crowd]
    house.turns.take_all()
    assert [member.said for member in crowd] == [[1]] * 40


async def test_a_large_fan_out_goes_on_whatever_small_ones_come(slices: None) -> None:
    house = House(stride=4)
    crowd = [house.member("a") for _ in range(40)]
    busy = house.member("b")
    house.tell("a")

    for number in range(12):
        house.tell("b")
        house.turns.take()
        assert len(busy.said) >= number

    assert [member.said for member in crowd] == [[1]] * 40


async def test_who_comes_between_two_slices_hears_only_what_comes_then(slices: None) -> None:
    house = House()
    crowd = [house.member("a") for _ in range(5)]
    house.tell("a")

    late = house.member("a")
    house.turns.take_all()
    house.tell("a")
    house.turns.take_all()

    assert late.said == [2]
    assert [member.said for member in crowd] == [[1, 2]] * 5


async def test_who_was_taken_off_a_topic_is_not_sent_what_came_later_by_a_sweep_that_began_before(slices: None) -> None:
    house = House()
    first, second, gone, left = (house.member("a", wired=True) for _ in range(4))
    house.member("b", wired=True)
    house.tell("a")
    assert first.said == [1]

    for member in (first, second, gone):
        house.hub.unsubscribe(member, "a")
    house.tell("a")
    house.turns.take()
    house.tell("b", "a")
    house.turns.take_all()

    assert first.said == second.said == gone.said == [1]
    assert left.said == [1, 2, 4]


@pytest.mark.parametrize("wired", [True, False])
async def test_who_leaves_between_two_slices_is_sent_no_more_and_gets_the_rest_when_back(
    slices: None, wired: bool
) -> None:
    house = House()
    crowd = [house.member("a", wired=wired) for _ in range(5)]
    house.tell("a")

    for member in crowd[3:]:
        house.hub.leave(member)
    house.turns.take_all()
    assert [member.said for member in crowd] == [[1]] * 3 + [[]] * 2

    assert house.hub.join(crowd[3])
    house.tell("a")
    house.turns.take_all()
    assert [member.said for member in crowd] == [[1, 2]] * 4 + [[]]


async def test_a_member_that_fails_in_a_slice_is_sent_away_and_costs_the_others_nothing(slices: None) -> None:
    house = House()
    members = [house.member("a", wired=bool(number % 2)) for number in range(6)]
    for bad in members[2:4]:
        bad.error = ArithmeticError()

    house.tell("a")
    house.turns.take_all()
    house.tell("a")
    house.turns.take_all()

    assert [member.said for member in members] == [[1, 2]] * 2 + [["failed"]] * 2 + [[1, 2]] * 2
    assert not any(house.hub.has(bad) for bad in members[2:4])


@pytest.mark.parametrize("told", ["a", "ab"], ids=["served alike", "served on its own"])
async def test_the_member_hears_of_what_its_client_did_not_take_at_once(told: str) -> None:
    house = House(stride=64)
    swift, slow = (house.member("a", "b", wired=True) for _ in range(2))
    assert slow.wire is not None
    slow.wire.unsent = 5

    house.tell(*told)

    numbers = list(range(1, len(told) + 1))
    assert slow.said == [*numbers, ("lagging", sum(len(Frame(entry, EPOCH).wire) for entry in house.entries))]
    assert swift.said == numbers


async def test_what_is_ephemeral_comes_in_slices_too_and_only_to_who_is_still_there(slices: None) -> None:
    house = House()
    members = [house.member("a", "b", wired=True) for _ in range(5)]
    entries = [
        Entry(0, "a", 0, "00000000-0000-7000-8000-000000000000", "Note", f'{{"n": {n}}}', "2026") for n in (7, 8)
    ]

    house.hub.fanout.tell([Frame(entry, EPOCH, placed=False) for entry in entries])
    house.hub.leave(members[3])
    house.hub.unsubscribe(members[4], "a")
    house.turns.take_all()

    assert [member.said for member in members] == [[7, 8]] * 3 + [[], []]


async def test_each_delivery_is_counted_once() -> None:
    house = House(stride=2)
    for number in range(5):
        house.member("a", "b", wired=bool(number % 2))
    counters = [metrics.delivered.labels(transport) for transport in ("websocket", "test")]
    before = [counter._value.get() for counter in counters]

    house.tell("a")  # three members by ASGI, two by the wire
    house.turns.take_all()
    house.tell("a", "a", "b")  # on two topics, each member is served on its own, and says its transport
    house.turns.take_all()

    assert [counter._value.get() - was for counter, was in zip(counters, before, strict=True)] == [2, 3 + 15]
