"""A client that never stays: from transport to transport, cut off at any moment, always back with its newest cursor.

Separate from the clients of one connection: what it has received belongs to all of its connections together.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

from realtime.protocol.entry import Entry
from tests.clients import TRANSPORTS, Client, Frame, SocketClient, is_event

LONGEST_STAY = 0.8  # seconds
MOST_EVENTS = 40  # in one stay


class Hopper:
    """Starts at ``cursor``. ``topics`` None: those that come without asking. ``urls`` are servers on one log."""

    def __init__(
        self,
        urls: Sequence[str],
        token: str,
        *,
        cursor: str,
        topics: list[str] | None = None,
        seed: int,
        longest_stay: float = LONGEST_STAY,
    ) -> None:
        self.events: list[Frame] = []
        self.others: list[Frame] = []  # all that is not an event
        self.stays: list[str] = []
        self.cursor = cursor
        self._urls = urls
        self._token = token
        self._topics = topics
        self._longest_stay = longest_stay
        self._chance = random.Random(seed)
        self._next: list[type[Client]] = []

    async def hop_until(self, done: Callable[[], bool]) -> None:
        """Hop until what was received is enough."""
        while not done():
            await self.stay()

    def has_come_to(self, entry: Entry) -> bool:
        """Whether this row of the log has been received; all rows before it must have, by then."""
        return bool(self.events) and (self.events[-1]["topic"], self.events[-1]["seq"]) == (entry.topic, entry.seq)

    def check_undisturbed(self) -> None:
        """The client used every transport, and was never told to start over, nor of an error, nor sent away."""
        assert set(self.stays) == {each.name for each in TRANSPORTS}
        assert not {"Reset", "Error", "Close"} & {frame["type"] for frame in self.others}

    async def stay(self) -> None:
        """Connect by some transport, receive for a while, and go: mostly without a goodbye, maybe before a hello."""
        # Shuffled like cards rather than thrown like dice, so that none is left out for long.
        self._next = self._next or self._chance.sample(TRANSPORTS, len(TRANSPORTS))
        kind = self._next.pop()
        self.stays.append(kind.name)
        client = kind(self._chance.choice(self._urls), self._token, cursor=self.cursor, topics=self._topics)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(0, self._longest_stay)):
                await client.open()
                await self._receive(client)
        await self._leave(client)

    async def _receive(self, client: Client) -> None:
        for _ in range(self._chance.randrange(1, MOST_EVENTS)):
            frame = await client.next()
            if is_event(frame):
                self.events.append(frame)
            else:
                self.others.append(frame)
                self._check_greeting(frame)
            assert client.cursor is not None
            self.cursor = client.cursor

    def _check_greeting(self, frame: Frame) -> None:
        """A greeting counts each topic as the client itself does."""
        if frame["type"] == "Connected":
            counted = {event["topic"]: event["seq"] for event in self.events}
            assert {topic: frame["data"]["topics"].get(topic) for topic in counted} == counted

    async def _leave(self, client: Client) -> None:
        if isinstance(client, SocketClient) and not hasattr(client, "socket"):
            return  # cut off while connecting
        if self._chance.random() < 0.7:
            await client.cut()
        else:
            await client.close()
