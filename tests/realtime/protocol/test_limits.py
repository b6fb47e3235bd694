"""The bucket and the storm, with a clock and a chance of our own."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.protocol.limits import TokenBucket, reconnect_after


def test_a_burst_passes_and_the_next_waits_for_the_rate() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=10.0)

    taken = [bucket.take(10.0) for _ in range(4)]

    assert taken == [True, True, True, False]
    assert bucket.wait(10.0) == 0.5
    assert not bucket.take(10.25)
    assert bucket.take(10.5)


def test_a_refused_take_costs_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=2, now=0.0)

    assert not bucket.take(0.0, cost=3)
    assert bucket.take(0.0, cost=2)


def test_rest_refills_no_more_than_the_burst() -> None:
    bucket = TokenBucket(rate=1, burst=2, now=0.0)

    assert [bucket.take(1_000_000.0) for _ in range(3)] == [True, True, False]


def test_a_clock_that_goes_back_refills_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1, now=100.0)
    bucket.take(100.0)

    assert not bucket.take(0.0)
    assert not bucket.take(100.5)
    assert bucket.take(101.0)


def test_what_never_fits_is_waited_for_in_vain() -> None:
    assert TokenBucket(rate=1, burst=1, now=0.0).wait(0.0, cost=2) == math.inf


@given(st.lists(st.integers(0, 1000), max_size=200))
def test_no_span_passes_more_than_burst_and_rate(gaps: list[int]) -> None:
    bucket = TokenBucket(rate=4, burst=8, now=0.0)  # powers of two: floats stay exact
    now, passed = 0.0, 0

    for gap in gaps:
        now += gap / 1024
        passed += bucket.take(now)

    assert passed <= 8 + 4 * now


@given(st.integers(0, 1000))
def test_waiting_as_long_as_told_is_enough(gap: int) -> None:
    bucket = TokenBucket(rate=4, burst=1, now=0.0)
    bucket.take(0.0)
    now = gap / 1024

    now += bucket.wait(now)

    assert bucket.take(now)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0.5), (math.nan, 1)])
def test_a_bucket_that_could_never_give_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError):
        TokenBucket(rate, burst, 0.0)


def test_many_sent_away_together_come_back_one_after_another() -> None:
    delays = [reconnect_after(1000, per_second=100, chance=chance) for chance in (0.0, 0.5, 0.999)]

    assert delays == pytest.approx([1.0, 6.0, 10.99])
