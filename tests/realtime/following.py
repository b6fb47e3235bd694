"""A follower that writes down all that it says, and runs of the log to hand to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from django.db import transaction
from prometheus_client import REGISTRY

from realtime import log
from realtime.follower import Follower
from realtime.outbox import publish
from realtime.protocol.entry import Batch, Entry
from realtime.protocol.subscriber import Reason
from realtime.threads import run_db
from realtime.topics import topic

GLOBAL = topic("global")
PATIENCE = 30.0
NEVER = 3600.0


class Following:
    """A follower, and all that it said."""

    def __init__(self, start_over: Callable[[Following], Awaitable[None]] | None = None) -> None:
        self.entries: list[Entry] = []
        self.resets: list[Reason] = []
        self.messages: list[Any] = []
        self.follower = Follower(self.entries.extend, self._start_over, self.messages.append)
        self._before_starting_over = start_over

    async def _start_over(self, reason: Reason) -> None:
        self.resets.append(reason)
        if self._before_starting_over is not None:
            await self._before_starting_over(self)
        self.follower.restart(await run_db(log.head))

    @property
    def numbers(self) -> list[int]:
        return [json.loads(entry.data)["n"] for entry in self.entries]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def following(**options: Any) -> AsyncIterator[Following]:
    """A follower that stands at the head of the log."""
    it = Following(**options)
    it.follower.start()
    try:
        assert await it.follower.reach(0)
        await it.until(lambda: bool(it.follower._doubt._waiters))  # it has asked the log, and waits
        yield it
    finally:
        await it.follower.stop()


def grow(count: int = 1, *, data: str = "") -> list[Entry]:
    """Sequence ``count`` more events, numbered by their positions; tell nobody."""
    start = log.head().position
    with transaction.atomic():
        for number in range(start + 1, start + count + 1):
            publish("Note", {"n": number, "data": data}, to=[GLOBAL])
    while log.sequence():
        pass
    return log.read(start, limit=count).entries


def batch(entries: list[Entry], epoch: str | None = None) -> Batch:
    return Batch(epoch or log.head().epoch, entries[0].position, entries[-1].position, entries)


async def batches(*counts: int) -> list[Batch]:
    """The log grown by so many entries each time."""
    return [await run_db(lambda count=count: batch(grow(count))) for count in counts]


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("realtime_batches_total", {"outcome": outcome}) or 0.0
