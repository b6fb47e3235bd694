"""The line that is none: a question every so often, as the server advises."""

from __future__ import annotations

import asyncio
from collections import deque

from ..messages import Message
from .line import Line

SILENCE = 120
"""Seconds. The server advises nobody to wait for more than a minute; twice that without an answer is silence."""


class PollingLine(Line):
    """Its place is its own: what has been received need not come again, whoever has not yet looked at it."""

    name = "polling"

    async def open(self) -> None:
        """Ask once: the first answer is the greeting."""
        self._waiting: deque[Message] = deque()
        self._place = self._around.cursor()
        self._pause = 0.0
        await self._poll()
        greeting = {"cursor": self._place, "topics": {}, "heartbeat": {"timeout": SILENCE}}
        self._waiting.appendleft({"type": "Connected", "data": greeting})

    async def receive(self) -> Message:
        """Give what has come, else ask again when it is time."""
        while not self._waiting:
            # A tenth more or less, so that many clients do not ask in step.
            spread = 0.9 + 0.2 * self._around.random()
            await asyncio.sleep(max(self._pause * spread, self._around.timing.shortest_poll))
            await self._poll()
        return self._waiting.popleft()

    async def send(self, command: Message) -> Message | None:
        """Send it by a request of its own."""
        return await self._around.http.command(command)

    async def close(self) -> None:
        """Nothing is open."""

    async def _poll(self) -> None:
        answer = await self._around.http.get("events", self._around.query(self._place))
        self._place = answer["cursor"]
        self._pause = answer["poll_interval_ms"] / 1000
        place: Message = {"type": "Ping", "cursor": answer["cursor"]}
        told = [*answer.get("gained", []), *answer["events"], *answer.get("revoked", []), *answer["reset"], place]
        self._waiting.extend(told)
