"""Connections of one user, of every sort, that note when and how their right ended.

Apart from the clients, which want to stay: a witness is there to be sent away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
from websockets.exceptions import ConnectionClosed

from tests.clients import Client, Frame, PollClient, SocketClient, StreamClient

PATIENCE = 20.0


@dataclass
class Witness:
    """One connection: what it is, and what became of it. ``ended`` is a close code or a status."""

    name: str
    client: Client
    told: dict[str, float] = field(default_factory=dict)  # topics that were taken away, and when that was said
    ended: int | None = None
    ended_at: float = 0.0

    async def watch(self) -> None:
        """Listen until the connection ends."""
        try:
            while self.ended is None:
                self._note(await self.client.next(timeout=10 * PATIENCE))
        except ConnectionClosed as closed:
            self._end(closed.rcvd.code if closed.rcvd else 1006)
        except httpx.HTTPStatusError as refusal:
            self._end(refusal.response.status_code)

    def over_at(self, topics: Iterable[str]) -> float | None:
        """When it knew that all of ``topics`` are lost, one by one or with the connection; None: not yet."""
        if self.ended is not None:
            return self.ended_at
        times = [self.told.get(topic) for topic in topics]
        return max((at for at in times if at is not None), default=None) if None not in times else None

    def _note(self, frame: Frame) -> None:
        if frame["type"] == "Unsubscribed":
            self.told.setdefault(frame["data"]["topic"], time.monotonic())
        if frame["type"] == "Close":
            self._end(frame["data"]["code"])

    def _end(self, how: int) -> None:
        self.ended, self.ended_at = how, time.monotonic()


@asynccontextmanager
async def witnesses(urls: Sequence[str], token: str, topics: Sequence[str], own: str) -> AsyncIterator[list[Witness]]:
    """On many topics and on one alone, by socket, stream and poll, at each server. ``own`` is one that stays."""
    many, one = [*topics, own], (topics or [own])[0]
    sorts: dict[str, Callable[[str], Client]] = {
        "gateway": lambda url: SocketClient(url, token, topics=many),
        "consumer": lambda url: SocketClient(url, token, path=f"/ws/{one.replace(':', '/')}"),
        "stream": lambda url: StreamClient(url, token, topics=many),
        "stream of one": lambda url: StreamClient(url, token, topics=[one]),
        "poll": lambda url: PollClient(url, token, topics=many),
    }
    made = [
        Witness(f"{name} at {number}", make(url)) for number, url in enumerate(urls) for name, make in sorts.items()
    ]
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(witness.client) for witness in made))
        for witness in made:
            if not isinstance(witness.client, PollClient):
                await witness.client.next("Connected")
        watching = [asyncio.create_task(witness.watch()) for witness in made]
        try:
            yield made
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> bool:
    """Wait for something that the witnesses note; False if it never comes."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        return False
    return True
