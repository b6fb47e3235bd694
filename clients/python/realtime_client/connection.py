"""Keeps one line to the server open: over which transport, when to try again, when to climb.

Separate from the client, which knows what travels over the line, and from the transports, which only carry it: this
module alone decides when a line is opened, given up, or exchanged for another.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol

from .errors import ABNORMAL, LineEnded
from .ladder import Ladder
from .messages import Message
from .status import State, Status
from .transports import LINES, Line, Surroundings

logger = logging.getLogger("realtime_client")

DEFAULT_SILENCE = 60.0


class Owner(Protocol):
    """Who is told what comes over the line, and asked whether a refusal can be mended."""

    async def heard(self, message: Message, line: Line) -> None:
        """Take in a message; may wait, and holds back the line while it does."""

    def changed(self, status: Status) -> None:
        """Hear of the state."""

    def can_mend(self, code: int) -> bool:
        """Whether a line that was ended for good may be asked for otherwise."""


class Connection:
    """``run`` does everything; the rest is asked of it meanwhile."""

    def __init__(self, owner: Owner, transports: tuple[str, ...], surroundings: Surroundings) -> None:
        self._owner = owner
        self._around = surroundings
        self._ladder = Ladder(transports)
        self._line: Line | None = None
        self._attempts = 0
        self._climbs = 0
        self._name = ""
        self._live_since = 0.0
        self._woken = asyncio.Event()
        self._patient = False
        self._renewal = asyncio.Event()

    @property
    def line(self) -> Line | None:
        """The line that is live; None for none."""
        return self._line

    def wake(self) -> None:
        """Try now instead of later, unless the server has said when to come back."""
        if not self._patient:
            self._woken.set()

    def renew(self) -> None:
        """Exchange a live line for a new one of its kind where it cannot be given other topics or another token."""
        if self._line is not None and self._line.fixed_topics:
            self._renewal.set()

    async def run(self) -> LineEnded:
        """Connect and stay connected; return why when the server says that it is of no use."""
        self._name = self._ladder.begin()
        while True:
            end = await self._try()
            steady = self._live_since > 0 and time.monotonic() - self._live_since >= self._around.timing.steady
            if steady:
                self._attempts = 0
                self._climbs = self._climbs if self._ladder.better else 0
            if end.final and not self._owner.can_mend(end.code):
                return end
            blocked = end.silent and LINES[self._name].blocked_when_silent
            lower = self._ladder.failed(blamed=end.code == ABNORMAL, steady=steady, blocked=blocked)
            if lower is None:
                await self._wait(end)
            self._name = lower or self._ladder.begin()

    # --- one line after the other ------------------------------------------------------------------

    async def _try(self) -> LineEnded:
        """Open a line and carry on until it ends, also by other lines that take its place; return why."""
        self._live_since = 0.0
        self._set(State.CONNECTING)
        try:
            line = await self._greeted(self._name)
            while True:
                line = await self._carry(line)
        except LineEnded as end:
            logger.info("%s ended: %s", self._name, end)
            return end

    async def _greeted(self, name: str) -> Line:
        """Return a line on which the server has greeted. Raises LineEnded, also when it does not in time."""
        line = LINES[name](self._around)
        try:
            async with asyncio.timeout(self._around.timing.greeting[name]):
                await line.open()
                while (message := await line.receive())["type"] != "Connected":
                    continue
            line.greeting = message
        except TimeoutError:
            await line.close()
            raise LineEnded(reason="no greeting in time") from None
        except BaseException:
            await line.close()
            raise
        return line

    async def _carry(self, line: Line) -> Line:
        """Take in what comes until another line takes this one's place; return that one. Raises LineEnded."""
        self._ladder.stand(line.name)
        self._line, self._name, self._live_since = line, line.name, time.monotonic()
        self._set(State.LIVE)
        pumping = asyncio.create_task(self._pump(line))
        looking = asyncio.create_task(self._successor(line.name))
        try:
            await asyncio.wait({pumping, looking}, return_when=asyncio.FIRST_COMPLETED)
            if pumping.done():
                await _discard(looking)
                pumping.result()
            return looking.result()
        finally:
            self._line = None
            await _end(pumping)
            await _end(looking)
            await line.close()

    async def _pump(self, line: Line) -> None:
        silence = float((line.greeting.get("data") or {}).get("heartbeat", {}).get("timeout", DEFAULT_SILENCE))
        await self._owner.heard(line.greeting, line)
        while True:
            try:
                async with asyncio.timeout(silence):
                    message = await line.receive()
            except TimeoutError:
                raise LineEnded(silent=True, reason="nothing came any more") from None
            await self._owner.heard(message, line)

    async def _wait(self, end: LineEnded) -> None:
        timing, random = self._around.timing, self._around.random
        step = timing.back_off[min(self._attempts, len(timing.back_off) - 1)]
        self._attempts += 1
        # Full jitter: after a restart the clients come back spread out, not as one wave; nor do those told to wait.
        seconds = max(timing.shortest_wait, step * random(), end.retry_after * (1 + random() / 4))
        self._patient = end.retry_after > 0
        self._woken.clear()
        self._set(State.WAITING, code=end.code, retry_in=seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._patient = False

    # --- another beside it --------------------------------------------------------------------------

    async def _successor(self, name: str) -> Line:
        """Wait until another line is wanted, open it beside the present one, and return it once it is greeted.

        Both are sent what happens meanwhile; the second telling is dropped by its id.
        """
        while True:
            self._renewal.clear()
            names: Iterable[str] = [name]
            try:
                async with asyncio.timeout(self._time_to_climb()):
                    await self._renewal.wait()
            except TimeoutError:
                names = self._ladder.better
            for each in names:
                try:
                    return await self._greeted(each)
                except LineEnded as end:
                    logger.info("%s beside %s failed: %s", each, name, end)

    def _time_to_climb(self) -> float | None:
        if not self._ladder.better:
            return None
        steps = self._around.timing.climb
        step = steps[min(self._climbs, len(steps) - 1)]
        self._climbs += 1
        return step * (0.5 + self._around.random() / 2)

    def _set(self, state: State, *, code: int = 0, retry_in: float = 0) -> None:
        transport = "" if state == State.WAITING else self._name
        self._owner.changed(Status(state=state, transport=transport, code=code, retry_in=retry_in))


async def _end(task: asyncio.Task[Any]) -> None:
    """Have it ended; what it failed with has been seen."""
    task.cancel()
    await asyncio.wait({task})


async def _discard(looking: asyncio.Task[Line]) -> None:
    """End the search for another line, and close the one that it may have found just now."""
    await _end(looking)
    if not looking.cancelled() and looking.exception() is None:
        await looking.result().close()
