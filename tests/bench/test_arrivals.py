"""The sums that the reports are made of."""

from __future__ import annotations

from array import array

import pytest

from bench.load.arrivals import Faults, by_event, faults, latencies
from bench.load.pool import Records
from bench.statistics import quantile, ratio, slope


def records(*arrivals: tuple[float, int, int]) -> Records:
    """(when, connection, mark) …"""
    at, connection, mark = zip(*arrivals, strict=True)
    return Records(array("d", at), array("I", connection), array("I", mark))


def test_an_event_is_as_fast_as_its_last_arrival() -> None:
    came = records((10.1, 0, 1), (10.2, 1, 1), (10.5, 2, 1), (11.0, 0, 2))

    ways = by_event(came, {1: 10.0, 2: 10.9, 3: 11.0})

    assert ways[1].count == 3
    assert ways[1].first == pytest.approx(0.1)
    assert ways[1].last == pytest.approx(0.5)
    assert ways[1].rate == pytest.approx(6)
    assert ways[1].stride == pytest.approx(5)
    assert ways[3].count == 0


def test_latencies_are_sorted_and_leave_out_what_was_not_asked_for() -> None:
    came = records((10.4, 0, 1), (10.2, 1, 1), (10.3, 0, 99))

    assert latencies(came, {1: 10.0}) == pytest.approx([0.2, 0.4])


def test_nothing_is_wrong_when_everyone_got_everything_in_order() -> None:
    came = records((1, 0, 5), (1, 1, 5), (2, 1, 6), (2, 0, 6))

    assert not faults(came, {0: [5, 6], 1: [5, 6]})


def test_what_is_missing_doubled_or_out_of_order_is_counted() -> None:
    came = records((1, 0, 5), (2, 0, 5), (3, 1, 6), (4, 1, 5), (5, 2, 5))

    assert faults(came, {0: [5], 1: [5, 6], 2: [5, 6], 3: [5]}) == Faults(missing=2, doubled=1, out_of_order=1)


def test_a_quantile_is_one_of_the_values() -> None:
    values = list(range(1, 101))

    assert [quantile(values, share) for share in (0.5, 0.99, 0.999, 1.0)] == [50, 99, 100, 100]
    assert quantile([], 0.5) == 0.0
    assert quantile([3.0], 0.001) == 3.0


def test_a_ratio_is_taken_pair_by_pair() -> None:
    assert ratio([10, 40, 90], [5, 10, 30]) == 3


def test_a_slope_is_nought_for_flat_and_one_for_linear() -> None:
    assert slope([(10, 7), (100, 7)]) == pytest.approx(0)
    assert slope([(10, 3), (20, 6), (100, 30)]) == pytest.approx(1)
