"""What has come and has not yet been taken by the program, in order, and how much of it may wait.

Separate because of one trap: a program that asks the server something while it handles an event takes nothing from here
meanwhile, and its answer stands behind what waits. While a question is open more is let in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .errors import LineEnded
from .messages import Event, Message

MOST_WAITING = 1000
"""Beyond this the line is not read any more, until the program takes something or asks something."""
MOST_HELD = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """Everything before this cursor has been put in."""

    cursor: str


@dataclass(frozen=True, slots=True)
class Reset:
    """What follows continues another state than what came before: a snapshot has to be fetched in between."""

    message: Message


Item = Event | Place | Reset


class Inbox:
    """A bounded queue that can be closed, with or without an error for whoever takes from it."""

    def __init__(self, is_urgent: Callable[[], bool]) -> None:
        self._items: deque[Item] = deque()
        self._is_urgent = is_urgent
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._closed = False
        self._error: Exception | None = None

    async def put(self, item: Item) -> None:
        """Add an item, when there is room. Raises LineEnded when much too much waits."""
        if isinstance(item, Place) and self._items and isinstance(self._items[-1], Place):
            self._items[-1] = item
            return
        while len(self._items) >= MOST_WAITING and not self._is_urgent():
            self._room.clear()
            await self._room.wait()
        if len(self._items) >= MOST_HELD:
            raise LineEnded(reason="too much waits to be taken")
        self._items.append(item)
        self._some.set()

    async def take(self) -> Item:
        """Wait for the next item. Raises the error that this was closed with, else StopAsyncIteration."""
        while not self._items:
            if self._closed:
                error, self._error = self._error or StopAsyncIteration(), None
                raise error
            self._some.clear()
            await self._some.wait()
        item = self._items.popleft()
        self._room.set()
        return item

    def stir(self) -> None:
        """Let whoever waits for room look again whether it is urgent."""
        self._room.set()

    def close(self, error: Exception | None = None, *, at_once: bool = False) -> None:
        """Nothing more comes. What waits is still given, unless it is to end at once."""
        if at_once:
            self._items.clear()
        self._closed, self._error = True, self._error or error
        self._some.set()
