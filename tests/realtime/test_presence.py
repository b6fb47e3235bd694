"""Presence: leases of several processes, added up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime.conf import conf
from realtime.presence import CHUNK, Presence

FAMILY = "family:00000000-0000-0000-0000-000000000001"
USER = "user:00000000-0000-0000-0000-000000000001"


class Machine:
    """Processes that hear each other, one clock, and delayed calls that run when the clock gets there."""

    def __init__(self) -> None:
        self.now = 100.0
        self.deaf = False
        self.said = 0
        self.processes: list[Presence] = []
        self.changes: list[list[tuple[str, str, bool]]] = []
        self._calls: list[tuple[float, Callable[[], None]]] = []

    def process(self) -> Presence:
        mine: list[tuple[str, str, bool]] = []
        self.changes.append(mine)
        self.processes.append(
            Presence(
                tell=self._tell,
                on_change=lambda *change: mine.append(change),
                later=lambda delay, call: self._calls.append((self.now + delay, call)),
                clock=lambda: self.now,
            )
        )
        return self.processes[-1]

    def _tell(self, word: dict[str, Any]) -> None:
        self.said += 1
        if not self.deaf:
            for process in self.processes:
                process.hear(word)

    def wait(self, seconds: float, *, beating: list[Presence] | None = None) -> None:
        for _ in range(int(seconds)):
            self.now += 1
            due = [call for at, call in self._calls if at <= self.now]
            self._calls = [(at, call) for at, call in self._calls if at > self.now]
            for call in due:
                call()
            for process in self.processes if beating is None else beating:
                process.beat()


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_who_is_on_one_process_is_online_on_all(machine: Machine) -> None:
    here, there = machine.process(), machine.process()

    here.enter(FAMILY, "bob")
    machine.wait(1)

    assert here.online(FAMILY) == there.online(FAMILY) == {"bob"}
    assert machine.changes == [[(FAMILY, "bob", True)]] * 2


def test_all_who_come_and_go_within_a_moment_are_told_of_at_once(machine: Machine) -> None:
    here, there = machine.process(), machine.process()
    here.enter(FAMILY, "eve")
    machine.wait(1)
    here.exit(FAMILY, "eve")
    machine.wait(conf.PRESENCE_GRACE - 1, beating=[])
    machine.said = 0

    for number in range(3 * CHUNK // 2):
        here.enter(FAMILY, f"bob{number}")
    machine.wait(1, beating=[])  # eve's time is up, too

    assert machine.said == 2
    assert there.online(FAMILY) == here.online(FAMILY) == {f"bob{number}" for number in range(3 * CHUNK // 2)}


def test_a_second_connection_is_no_news(machine: Machine) -> None:
    here, there = machine.process(), machine.process()
    here.enter(FAMILY, "bob")

    here.enter(FAMILY, "bob")
    there.enter(FAMILY, "bob")

    assert machine.changes == [[(FAMILY, "bob", True)]] * 2


def test_who_reconnects_at_once_was_never_away(machine: Machine) -> None:
    here = machine.process()
    here.enter(FAMILY, "bob")

    here.exit(FAMILY, "bob")
    machine.wait(conf.PRESENCE_GRACE - 1)
    here.enter(FAMILY, "bob")
    machine.wait(3 * conf.PRESENCE_GRACE)

    assert machine.changes == [[(FAMILY, "bob", True)]]


def test_who_leaves_every_process_is_away_everywhere(machine: Machine) -> None:
    here, there = machine.process(), machine.process()
    here.enter(FAMILY, "bob")
    there.enter(FAMILY, "bob")

    here.exit(FAMILY, "bob")
    machine.wait(conf.PRESENCE_GRACE + 1)
    assert here.online(FAMILY) == {"bob"}
    there.exit(FAMILY, "bob")
    machine.wait(conf.PRESENCE_GRACE + 1)

    assert here.online(FAMILY) == there.online(FAMILY) == set()
    assert machine.changes == [[(FAMILY, "bob", True), (FAMILY, "bob", False)]] * 2


def test_what_a_killed_process_said_ends_with_its_lease(machine: Machine) -> None:
    here, killed = machine.process(), machine.process()
    killed.enter(FAMILY, "bob")

    machine.processes.remove(killed)
    machine.wait(conf.PRESENCE_LEASE + 1)

    assert here.online(FAMILY) == set()
    assert machine.changes[0] == [(FAMILY, "bob", True), (FAMILY, "bob", False)]


def test_a_living_process_renews_its_word(machine: Machine) -> None:
    here, there = machine.process(), machine.process()
    there.enter(FAMILY, "bob")

    machine.wait(5 * conf.PRESENCE_LEASE)

    assert here.online(FAMILY) == {"bob"}
    assert machine.changes[0] == [(FAMILY, "bob", True)]


def test_a_new_process_hears_at_once_who_is_online(machine: Machine) -> None:
    there = machine.process()
    there.enter(FAMILY, "bob")
    machine.wait(1)

    here = machine.process()
    here.beat()

    assert here.online(FAMILY) == {"bob"}


def test_a_topic_without_presence_tells_nothing(machine: Machine) -> None:
    here = machine.process()

    here.enter(USER, "bob")
    here.exit(USER, "bob")

    assert here.online(USER) == set()
    assert machine.changes == [[]]


@pytest.mark.parametrize("word", [None, "x", {}, {"process": 1}, {"process": "a", "here": [["only one"]]}])
def test_what_is_no_word_is_refused(machine: Machine, word: Any) -> None:
    here = machine.process()

    with pytest.raises(ValueError, match="presence"):
        here.hear(word)

    assert here.online(FAMILY) == set()
