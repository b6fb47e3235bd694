"""What processes say of themselves, and what it comes to: pure, so exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from realtime.desk.figures import BUSIEST, Busy, Figures, Tally, busiest, class_of, quantile, together
from realtime.protocol.entry import Entry
from realtime.protocol.messages import timestamp

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def figures(name: str, **changes: object) -> Figures:
    fields: dict[str, object] = {
        "process": name,
        "name": name,
        "clients": {"websocket": 1},
        "users": 1,
        "topics": 1,
        "position": 10,
        "head": 10,
        "waiting": 0.0,
        "events": 1.0,
        "deliveries": 2.0,
        "errors": 0.5,
        "slow": 1,
        "latency": {},
        "busiest": [],
    }
    return Figures(**{**fields, **changes})


def entry(position: int, topic: str, *, age: float) -> Entry:
    return Entry(position, topic, 1, str(UUID(int=position)), "Note", "{}", timestamp(NOW - timedelta(seconds=age)))


@pytest.mark.parametrize("milliseconds", [-5.0, 0.0, 0.3, 1.0, 1.2, 7.0, 99.0, 12_345.0, 59_999.0, 1e9])
def test_a_latency_is_read_at_most_a_quarter_too_high(milliseconds: float) -> None:
    read = quantile({class_of(milliseconds): 1}, 0.5)

    bounded = min(max(milliseconds, 1.0), 60_000.0)
    assert read is not None
    assert bounded * 0.999 <= read <= bounded * 1.26


def test_quantiles_are_those_of_all_that_was_delivered() -> None:
    latency = {class_of(1.0): 98, class_of(100.0): 1, class_of(1000.0): 1}

    p50, p99 = quantile(latency, 0.5), quantile(latency, 0.99)

    assert p50 == 1.0
    assert p99 is not None and 100 <= p99 <= 125
    assert quantile({}, 0.5) is None


def test_all_processes_come_to_sums_but_every_process_hears_of_every_event() -> None:
    told = together([figures("b", events=3.0, clients={"sse": 2}), figures("a", events=2.5, latency={0: 1})])

    assert (told.events, told.deliveries, told.errors, told.slow) == (3.0, 4.0, 1.0, 2)
    assert told.clients == {"websocket": 1, "sse": 2}
    assert [process.name for process in told.processes] == ["a", "b"]
    assert told.p50 == 1.0


def test_the_follower_that_lags_most_is_the_figure() -> None:
    told = together([figures("a", position=10, head=12), figures("b", position=7, head=12), figures("c", head=None)])

    assert (told.lag, told.head) == (5, 12)
    assert [process.lag for process in told.processes] == [2, 5, 0]


def test_nobody_who_says_anything_is_no_error() -> None:
    told = together([])

    assert (told.clients, told.head, told.waiting, told.p50, told.processes) == ({}, None, None, None, [])


def test_topics_are_ranked_by_what_goes_over_them_then_by_who_is_on_them() -> None:
    topics = {f"quiet:{number:02}": 1 for number in range(20)} | {"crowd": 50, "busy": 2}

    ranked = busiest(topics, {"busy": 10}, 2.0)

    assert ranked[:2] == [Busy("busy", 2, 5.0), Busy("crowd", 50, 0.0)]
    assert len(ranked) == BUSIEST


def test_a_topic_on_two_processes_is_one() -> None:
    one = figures("a", busiest=[Busy("x", 2, 1.5), Busy("y", 1, 2.0)])
    other = figures("b", busiest=[Busy("x", 3, 1.0)])

    assert together([one, other]).topics == [Busy("x", 5, 2.5), Busy("y", 1, 2.0)]


def test_a_tally_counts_what_went_out_and_begins_anew() -> None:
    tally = Tally()
    on = {"x": ("alice", "bob"), "y": ("carol",)}

    tally.note(
        [entry(1, "x", age=0.1), entry(2, "nobody", age=9), entry(3, "y", age=0.05)], lambda t: on.get(t, ()), NOW
    )

    events, latency, traffic = tally.taken()
    assert (events, traffic) == (3, {"x": 2, "y": 1})
    assert latency == {class_of(100.0): 1}
    assert tally.taken() == (0, {}, {})
