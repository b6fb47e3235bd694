"""Many who ask share one read, a lone one waits for nobody, and a read that fails is told to all who asked in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from pytest_django import Settings

from realtime import together
from realtime.together import ENOUGH, Together, Waiting

pytestmark = pytest.mark.asyncio

FOR_EVER = 3600.0
PATIENCE = 10.0


class Reads:
    """What was asked in each read. The answer to a question is the question; a held read goes on when it is let."""

    def __init__(self, *, heaviest: int = 10_000) -> None:
        self.all: list[list[int]] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.error: Exception | None = None
        self.together = Together[int, int](self.read, weigh=abs, heaviest=heaviest)

    async def read(self, batch: Sequence[Waiting[int, int]]) -> None:
        self.all.append([waiting.question for waiting in batch])
        await self.may_go_on.wait()
        if self.error is not None:
            raise self.error
        for waiting in batch:
            waiting.tell(waiting.question)

    async def ask(self, *questions: int) -> list[int]:
        return await asyncio.wait_for(asyncio.gather(*map(self.together.ask, questions)), PATIENCE)


@pytest.fixture(autouse=True)
def _time_alone_ends_no_gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "GATHER", FOR_EVER)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_first_waits_for_nobody() -> None:
    reads = Reads()

    assert await reads.ask(1) == [1]
    assert reads.all == [[1]]


async def test_enough_of_them_wait_no_longer_than_a_turn_that_brings_nobody() -> None:
    reads = Reads()
    await reads.ask(0)

    rush = list(range(1, ENOUGH + 1))
    assert await reads.ask(*rush) == rush
    assert reads.all == [[0], rush]


async def test_few_wait_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "LOOK", 0.0)  # each turn of the loop is a look
    reads = Reads()
    await reads.ask(0)

    few = asyncio.ensure_future(reads.ask(*range(1, ENOUGH)))
    await turns(10 * ENOUGH)
    assert reads.all == [[0]]

    assert await reads.ask(ENOUGH) == [ENOUGH]
    assert await few == list(range(1, ENOUGH))
    assert reads.all == [[0], list(range(1, ENOUGH + 1))]


async def test_few_wait_no_longer_than_the_time_from_one_read_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "GATHER", 0.05)
    reads = Reads()

    assert [await reads.ask(number) for number in (1, 2)] == [[1], [2]]
    assert reads.all == [[1], [2]]


async def test_while_each_turn_brings_somebody_all_go_together_up_to_the_most(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "RIGHTS_BATCH": 3 * ENOUGH}
    reads = Reads()
    await reads.ask(0)

    asked = [reads.together.ask(number) for number in range(1, ENOUGH)]
    while len(reads.all) == 1 and len(asked) < 6 * ENOUGH:
        asked.append(reads.together.ask(len(asked) + 1))
        await turns(1)

    assert reads.all == [[0], list(range(1, 3 * ENOUGH + 1))]
    await asyncio.wait_for(asyncio.gather(*asked), PATIENCE)


async def test_who_asks_while_a_read_is_under_way_goes_into_the_next() -> None:
    reads = Reads()
    reads.may_go_on.clear()
    first = reads.together.ask(1)
    await turns(5)
    rush = [reads.together.ask(number) for number in range(2, 2 + ENOUGH)]
    await turns(5)
    assert reads.all == [[1]]

    reads.may_go_on.set()
    await asyncio.wait_for(asyncio.gather(first, *rush), PATIENCE)
    assert reads.all == [[1], list(range(2, 2 + ENOUGH))]


async def test_a_read_is_bounded_by_what_is_asked_too_but_takes_one_however_heavy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(together, "GATHER", 0.0)
    reads = Reads(heaviest=10)

    assert await reads.ask(4, 6, 1, 50, 3) == [4, 6, 1, 50, 3]
    assert reads.all == [[4, 6], [1], [50], [3]]


async def test_a_failed_read_is_told_to_all_who_asked_in_it_and_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "GATHER", 0.0)
    reads = Reads()
    reads.error = OSError("the database is gone")
    asked = [reads.together.ask(number) for number in (1, 2)]

    answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), PATIENCE)
    assert answers == [reads.error, reads.error]

    reads.error = None
    assert await reads.ask(3) == [3]
    assert reads.all == [[1, 2], [3]]


async def test_who_has_left_keeps_nobody_from_being_answered() -> None:
    reads = Reads()
    gone, stays = reads.together.ask(1), reads.together.ask(2)
    gone.cancel()

    assert await asyncio.wait_for(stays, PATIENCE) == 2
    assert reads.all == [[1, 2]]
