"""Many who ask the same kind of question at about the same time, and are answered by one read.

Apart from what is asked, because a rush of clients is the same for rights and for what is given again: most of what a
read costs is that of beginning it, so that it pays to wait a moment for others, and never for long.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from realtime.conf import conf

Question = TypeVar("Question")
Answer = TypeVar("Answer")

GATHER = 0.02  # seconds from one read to the next, unless ENOUGH ask before: in a trickle each would be read for alone
ENOUGH = 16  # who ask: they wait for more only while each turn of the event loop brings some
LOOK = 0.002  # seconds from one look at how many they are to the next


class Waiting(Generic[Question, Answer]):
    """One who waits for an answer. ``attempts``: how often it was asked again."""

    __slots__ = ("answer", "attempts", "question")

    def __init__(self, question: Question, answer: asyncio.Future[Answer]) -> None:
        self.question = question
        self.answer = answer
        self.attempts = 0

    def tell(self, answer: Answer | Exception) -> None:
        """Give the answer, or raise the error where it is waited for; nothing where nobody waits any more."""
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


class Together(Generic[Question, Answer]):
    """The questions of one event loop. ``read`` tells each of those it is given, or raises an error for all of them.

    At most ``RIGHTS_BATCH`` of them go into one read, and no more than weigh ``heaviest`` together, but always one.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Waiting[Question, Answer]]], Awaitable[None]],
        *,
        weigh: Callable[[Question], int],
        heaviest: int,
    ) -> None:
        self._read = read
        self._weigh = weigh
        self._heaviest = heaviest
        self._waiting: list[Waiting[Question, Answer]] = []
        self._reader: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._gathered = -math.inf  # when the last read began

    def ask(self, question: Question) -> asyncio.Future[Answer]:
        """Ask a question, in the next read. Whoever awaits the answer may be cancelled."""
        waiting: Waiting[Question, Answer] = Waiting(question, self._loop.create_future())
        self.ask_again(waiting)
        return waiting.answer

    def ask_again(self, waiting: Waiting[Question, Answer]) -> None:
        """Ask in the next read what this one could not answer."""
        self._waiting.append(waiting)
        if self._reader is None:
            self._reader = self._loop.create_task(self._read_all())

    async def _read_all(self) -> None:
        while self._waiting:
            await self._gather()
            batch = self._next_batch()
            try:
                await self._read(batch)
            except Exception as error:
                for waiting in batch:
                    waiting.tell(error)
        self._reader = None

    async def _gather(self) -> None:
        """Let those who come in close order share a read; the first after a pause waits for nothing."""
        end, before = self._gathered + GATHER, 0
        while (left := end - self._loop.time()) > 0 and (count := len(self._waiting)) < conf.RIGHTS_BATCH:
            if ENOUGH <= count == before:
                break
            before = count
            await asyncio.sleep(0 if count >= ENOUGH else min(left, LOOK))
        self._gathered = self._loop.time()

    def _next_batch(self) -> list[Waiting[Question, Answer]]:
        count = weight = 0
        for waiting in self._waiting[: conf.RIGHTS_BATCH]:
            weight += self._weigh(waiting.question)
            if count and weight > self._heaviest:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch
