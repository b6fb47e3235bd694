"""When a client that polls should come back."""

import pytest
from pytest_django.fixtures import Settings

from realtime.protocol.errors import ProtocolError
from realtime.transports.pacing import Pace, Polls


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_it_is_short_while_things_move_and_longer_when_quiet(clock):
    pace = Pace(clock)

    assert pace.interval(moving=True) == 1000
    assert pace.interval(moving=False) == 5000


def polls_in_a_second(pace, clock, count):
    for _ in range(count):
        clock.now += 1 / count
        advice = pace.interval(moving=True)
    return advice


@pytest.mark.parametrize(("polls", "advice"), [(200, 1000), (400, 2000), (1000, 5000), (100_000, 60_000)])
def test_it_is_longer_the_more_polls_there_are_and_never_over_a_minute(clock, polls, advice):
    pace = Pace(clock)

    assert polls_in_a_second(pace, clock, polls) == pytest.approx(advice, rel=0.01)


def test_it_is_short_again_when_the_rush_is_over(clock):
    pace = Pace(clock)
    polls_in_a_second(pace, clock, 1000)

    clock.now += 10
    pace.interval(moving=True)

    assert pace.interval(moving=True) == 1000


def test_a_user_may_poll_in_bursts_and_then_at_a_rate(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "USER_POLL_RATE": 2, "USER_POLL_BURST": 3}
    now = [100.0]
    polls = Polls(clock=lambda: now[0])
    for _ in range(3):
        polls.take("alice")

    with pytest.raises(ProtocolError) as refusal:
        polls.take("alice")
    polls.take("bob")
    now[0] += 0.5
    polls.take("alice")

    assert (refusal.value.code, refusal.value.limit, refusal.value.retry_after) == ("rate_limited", "USER_POLL_RATE", 1)


def test_only_so_many_users_are_remembered(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "RIGHTS_USERS": 10}
    polls = Polls()

    for number in range(50):
        polls.take(number)

    assert list(polls._buckets) == [str(number) for number in range(40, 50)]
