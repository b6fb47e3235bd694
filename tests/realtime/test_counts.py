"""Counts: numbers of several processes, added up; nothing of a dead one is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from realtime.conf import conf
from realtime.counts import CHUNK, PROCESSES, SAY_AFTER, Counts, Word

ALICE = "user:alice"


class Machine:
    """Processes that hear each other unless words get lost; one clock, and calls that run when it gets there."""

    def __init__(self) -> None:
        self.now = 100.0
        self.lost = False
        self.words: list[dict[str, Any]] = []
        self.processes: dict[str, Counts] = {}
        self._calls: list[tuple[float, Callable[[], None]]] = []

    def process(self, name: str) -> Counts:
        self.processes[name] = Counts(
            name,
            tell=self._tell,
            later=lambda delay, call: self._calls.append((self.now + delay, call)),
            clock=lambda: self.now,
        )
        return self.processes[name]

    def kill(self, name: str) -> None:
        del self.processes[name]

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / SAY_AFTER)):
            self.now += SAY_AFTER
            due = [call for at, call in self._calls if at <= self.now]
            self._calls = [(at, call) for at, call in self._calls if at > self.now]
            for call in due:
                call()
            for process in list(self.processes.values()):
                process.beat()

    def _tell(self, word: dict[str, Any]) -> None:
        self.words.append(word)
        if not self.lost:
            for process in list(self.processes.values()):
                process.hear(word)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def here(machine: Machine) -> Counts:
    return machine.process("here")


@pytest.fixture
def there(machine: Machine, here: Counts) -> Counts:
    there = machine.process("there")
    machine.wait(1)
    machine.words.clear()
    return there


def add(counts: Counts, key: str, times: int = 1) -> None:
    for _ in range(times):
        counts.add(counts.of(key))


def test_what_is_added_here_counts_at_once(here: Counts) -> None:
    add(here, ALICE, 3)

    assert here.of(ALICE).all == 3


def test_what_is_added_elsewhere_counts_a_moment_later(machine: Machine, here: Counts, there: Counts) -> None:
    add(here, ALICE)
    add(there, ALICE, 2)

    machine.wait(2 * SAY_AFTER)

    assert (here.of(ALICE).all, there.of(ALICE).all) == (3, 3)


def test_what_is_taken_away_counts_no_more(machine: Machine, here: Counts, there: Counts) -> None:
    add(there, ALICE, 2)
    machine.wait(2 * SAY_AFTER)

    there.take(there.of(ALICE))
    machine.wait(2 * SAY_AFTER)

    assert here.of(ALICE).all == 1


def test_a_thing_of_which_there_is_none_is_not_kept(machine: Machine, here: Counts, there: Counts) -> None:
    add(there, ALICE)
    machine.wait(2 * SAY_AFTER)
    there.take(there.of(ALICE))
    machine.wait(2 * SAY_AFTER)

    assert (list(here.items()), list(there.items())) == ([], [])


def test_a_thousand_changes_of_a_moment_are_one_word(machine: Machine, there: Counts) -> None:
    for number in range(CHUNK):
        add(there, f"user:{number}", 2)

    machine.wait(2 * SAY_AFTER)

    assert len(machine.words) == 1


def test_a_killed_process_leaves_nothing_behind_for_longer_than_a_minute(
    machine: Machine, here: Counts, there: Counts
) -> None:
    add(there, ALICE, 10)
    machine.wait(2 * SAY_AFTER)
    assert here.of(ALICE).all == 10

    machine.kill("there")
    machine.wait(conf.COUNT_LEASE + SAY_AFTER)

    assert here.of(ALICE).all == 0
    assert conf.COUNT_LEASE < 60


def test_what_lives_is_counted_for_as_long_as_it_lives(machine: Machine, here: Counts, there: Counts) -> None:
    add(there, ALICE)

    machine.wait(4 * conf.COUNT_LEASE)

    assert here.of(ALICE).all == 1


def test_the_successor_of_a_killed_process_takes_back_what_that_said(
    machine: Machine, here: Counts, there: Counts
) -> None:
    add(there, ALICE, 10)
    add(there, "user:bob")
    machine.wait(2 * SAY_AFTER)

    machine.kill("there")
    add(machine.process("there"), ALICE)
    machine.wait(2 * SAY_AFTER)

    assert here.of(ALICE).all == 1
    assert here.of("user:bob").all == 0


def test_a_successor_whose_first_words_are_lost_takes_back_what_the_one_before_said(
    machine: Machine, here: Counts, there: Counts
) -> None:
    for _ in range(10):  # words, of which a successor has not said as many for a while
        add(there, ALICE)
        machine.wait(2 * SAY_AFTER)
    machine.kill("there")
    successor = machine.process("there")
    machine.lost = True
    machine.wait(SAY_AFTER)
    machine.lost = False

    add(successor, "user:bob")
    machine.wait(conf.COUNT_LEASE)

    assert here.of(ALICE).all == 0
    assert here.of("user:bob").all == 1


def test_words_that_were_lost_are_asked_for(machine: Machine, here: Counts, there: Counts) -> None:
    machine.lost = True
    add(there, ALICE, 2)
    machine.wait(1)
    machine.lost = False
    assert here.of(ALICE).all == 0

    machine.wait(2 * conf.COUNT_LEASE / 3)  # at the next word, whatever it is about

    assert here.of(ALICE).all == 2


def test_with_the_layer_dead_everybody_knows_their_own(machine: Machine, here: Counts, there: Counts) -> None:
    add(here, ALICE)
    add(there, ALICE)
    machine.wait(1)

    machine.lost = True
    machine.wait(2 * conf.COUNT_LEASE)

    assert (here.of(ALICE).all, there.of(ALICE).all) == (1, 1)


def test_who_comes_later_is_told_what_there_is(machine: Machine, here: Counts) -> None:
    for number in range(2 * CHUNK):
        add(here, f"user:{number}")
    machine.wait(1)

    late = machine.process("late")
    machine.wait(conf.COUNT_LEASE)

    assert sum(count.elsewhere for _, count in late.items()) == 2 * CHUNK


def test_a_word_that_comes_twice_or_late_changes_nothing(machine: Machine, here: Counts, there: Counts) -> None:
    add(there, ALICE)
    machine.wait(2 * SAY_AFTER)
    first = machine.words[-1]
    add(there, ALICE)
    machine.wait(2 * SAY_AFTER)

    here.hear(first)

    assert here.of(ALICE).all == 2


def test_a_process_that_is_asked_again_and_again_does_not_answer_each_time(machine: Machine, there: Counts) -> None:
    machine.wait(conf.COUNT_LEASE)
    machine.words.clear()

    for number in range(20):
        there.hear({"process": "stranger", "number": number + 1, "ask": "there"})
        machine.wait(0.2)

    assert sum(word.get("whole", False) for word in machine.words) == 1


@pytest.mark.parametrize(
    "rubbish",
    [
        None,
        {},
        {"process": "p"},
        {"process": "p", "number": 1, "counts": {"k": -1}},
        {"process": "p", "number": 1, "counts": {"k": 10**9}},
        {"process": "p", "number": 1, "counts": {str(number): 1 for number in range(CHUNK + 1)}},
    ],
)
def test_rubbish_is_no_word(here: Counts, rubbish: Any) -> None:
    with pytest.raises(ValueError):
        here.hear(rubbish)

    assert list(here.items()) == []


def test_a_stranger_cannot_fill_the_memory(here: Counts, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "MAX_CONNECTIONS": 100}
    for process in range(2 * PROCESSES):
        here.hear({"process": str(process), "number": 1, "counts": {"k": 1}})
    for number in range(1000):
        here.hear({"process": "0", "number": 2 + number, "counts": {f"{number}": 1}})

    assert here.of("k").all == PROCESSES
    assert len(list(here.items())) == 300


def test_what_is_said_survives_the_way_over_a_layer() -> None:
    import msgspec

    word = Word("p", 3, {ALICE: 2}, whole=True, ask="q")

    assert msgspec.convert(msgspec.msgpack.decode(msgspec.msgpack.encode(msgspec.to_builtins(word))), Word) == word
