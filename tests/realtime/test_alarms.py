"""Staff is alerted once per condition: what hovers is no news, and what all processes see is said by one of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from realtime.conf import conf
from realtime.desk import watch
from realtime.desk.alarms import KINDS, Alarms, Turn
from realtime.models import Condition, Event, Outgoing
from realtime.threads import run_db

LAG = next(kind for kind in KINDS if kind.name == "follower_lag")
OUTBOX = next(kind for kind in KINDS if kind.name == "outbox_age")
SLOW = next(kind for kind in KINDS if kind.name == "slow_clients")


@pytest.fixture(autouse=True)
def thresholds(settings: Settings) -> None:
    settings.REALTIME = {
        **settings.REALTIME,
        "ALERT_INTERVAL": 5.0,
        "ALERT_SLOW": 10,
        "ALERT_CHECKS": 2,
        "ALERT_END": 0.5,
    }


def turns(*values: float) -> list[tuple[float, bool]]:
    alarms = Alarms()
    return [(turn.value, turn.begins) for value in values for turn in alarms.look({"slow_clients": value})]


def test_one_bad_look_is_no_alert() -> None:
    assert turns(10, 0, 10, 0, 10, 0) == []


def test_two_bad_looks_are_one_alert_however_long_it_lasts() -> None:
    assert turns(10, 11, 12, 13, 14, 15) == [(11, True)]


def test_what_hovers_below_its_threshold_has_not_ended() -> None:
    assert turns(10, 10, 9, 6, 9, 10, 9, 10) == [(10, True)]


def test_it_is_over_after_two_looks_well_below() -> None:
    assert turns(10, 10, 5, 6, 5, 5) == [(10, True), (5, False)]


def test_it_may_begin_again() -> None:
    assert turns(10, 10, 0, 0, 10, 10) == [(10, True), (0, False), (10, True)]


def test_what_was_not_looked_at_stays_as_it_is() -> None:
    alarms = Alarms()
    for _ in range(2):
        list(alarms.look({"slow_clients": 10}))

    assert list(alarms.look({})) == []
    assert alarms.on == {"slow_clients"}


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_each_kind_has_a_threshold_of_its_own_and_begins_at_it(kind: Any) -> None:
    alarms = Alarms()

    below = [turn for _ in range(5) for turn in alarms.look({kind.name: kind.threshold() * 0.99})]
    at = [turn for _ in range(5) for turn in alarms.look({kind.name: kind.threshold()})]

    assert (below, [turn.kind for turn in at]) == ([], [kind])


# What is told of them


@pytest.fixture
def alerts(db: None) -> Callable[[], list[tuple[str, str]]]:
    """What staff was told so far: kinds with their severity."""

    def told() -> list[tuple[str, str]]:
        rows = [*Event.objects.filter(type="Alert"), *Outgoing.objects.filter(type="Alert").order_by("id")]
        assert all(topics == "staff" for topics in Outgoing.objects.values_list("topics", flat=True))
        return [(data["kind"], data["severity"]) for data in (json.loads(row.data) for row in rows)]

    return told


def begin(process: str, kind: Any, value: float = 99.0) -> None:
    watch._tell(process, [Turn(kind, value, begins=True)], frozenset([kind.name]))


def end(process: str, kind: Any) -> None:
    watch._tell(process, [Turn(kind, 0.0, begins=False)], frozenset())


def test_what_every_process_sees_is_said_by_the_first_and_ended_by_the_first(
    alerts: Callable[[], list[tuple[str, str]]],
) -> None:
    for process in ("a", "b", "c"):
        begin(process, OUTBOX)
    for process in ("b", "a", "c"):
        end(process, OUTBOX)

    assert alerts() == [("outbox_age", "error"), ("outbox_age", "info")]
    assert not watch.standing().exists()


def test_what_a_process_sees_of_itself_is_said_by_each(alerts: Callable[[], list[tuple[str, str]]]) -> None:
    begin("a", LAG)
    begin("b", LAG)
    end("a", LAG)

    assert alerts() == [("follower_lag", "error"), ("follower_lag", "error"), ("follower_lag", "info")]
    assert [row.process for row in watch.standing()] == ["b"]


def test_an_alert_says_how_much_and_how_much_is_too_much(alerts: Callable[[], list[tuple[str, str]]]) -> None:
    begin("a", SLOW, 17)

    (row,) = Outgoing.objects.all()
    data = json.loads(row.data)
    assert data["metrics"] == {"process": "a", "value": 17, "threshold": 10}
    assert data["message"].startswith("17 clients of a process")


def test_what_a_dead_process_said_ends_by_itself(alerts: Callable[[], list[tuple[str, str]]]) -> None:
    begin("dead", LAG)
    Condition.objects.update(until=timezone.now() - timedelta(seconds=1))

    watch._tell("alive", [], frozenset())

    assert alerts() == [("follower_lag", "error"), ("follower_lag", "info")]
    assert Condition.objects.count() == 0


def test_what_goes_on_is_renewed_and_not_said_again(alerts: Callable[[], list[tuple[str, str]]]) -> None:
    begin("a", LAG)
    Condition.objects.update(until=timezone.now() + timedelta(seconds=1))

    watch._tell("a", [], frozenset(["follower_lag"]))

    row = Condition.objects.get()
    assert row.until > timezone.now() + timedelta(seconds=conf.ALERT_INTERVAL)
    assert alerts() == [("follower_lag", "error")]


@pytest.mark.django_db(transaction=True)
async def test_what_could_not_be_told_for_want_of_a_database_is_told_at_the_next_look(
    alerts: Callable[[], list[tuple[str, str]]], sleeping_relay: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell, errors = watch._tell, [OperationalError("gone")]

    def fails_once(process: str, turns: Any, on: Any) -> None:
        if turns and errors:
            raise errors.pop()
        tell(process, turns, on)

    monkeypatch.setattr(watch, "_tell", fails_once)
    looks = watch.Watch("a", position=lambda: 0, slow=lambda: 10)
    for _ in range(conf.ALERT_CHECKS + 2):
        await looks._look()

    assert await run_db(alerts) == [("slow_clients", "warning")]


@pytest.mark.django_db(transaction=True)
async def test_what_is_still_wrong_with_a_process_that_was_taken_for_a_dead_one_is_said_again(
    alerts: Callable[[], list[tuple[str, str]]], sleeping_relay: None
) -> None:
    looks = watch.Watch("a", position=lambda: 0, slow=lambda: 10)
    for _ in range(conf.ALERT_CHECKS):
        await looks._look()
    await run_db(lambda: Condition.objects.update(until=timezone.now() - timedelta(seconds=1)))
    await run_db(watch._tell, "b", [], frozenset())

    await looks._look()

    assert await run_db(alerts) == [("slow_clients", "warning"), ("slow_clients", "info"), ("slow_clients", "warning")]
