"""The heartbeat of one event loop: pings, silence, expiry, stuck clients and presence, each when it is time for it.

Apart from the hub, which acts when something happens; this acts when nothing does.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from realtime.conf import conf
from realtime.members import Member
from realtime.wheel import Wheel

if TYPE_CHECKING:
    from realtime.hub import Hub

logger = logging.getLogger("realtime.heart")


class Stuck(Protocol):
    """Something that waits for its client to read."""

    def look(self, now: float) -> None:
        """Give the client up if it has taken nothing for too long."""


class Heart:
    """Looks after the members of a hub. One task, whatever their number."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._wheel: Wheel[Member] = Wheel(min(1.0, conf.HEARTBEAT_INTERVAL / 4, conf.SSE_KEEPALIVE / 4))
        self._stuck: dict[Stuck, None] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> bool:
        """Begin to beat; False when that was done before."""
        if self._task is not None:
            return False
        self._task = self._loop.create_task(self._beat())
        return True

    def stop(self) -> None:
        """Beat no more."""
        if self._task is not None:
            self._task.cancel()

    def add(self, member: Member) -> None:
        """Look after a member: soon, and then when it says."""
        self._wheel.put(member, self._loop.time())

    def drop(self, member: Member) -> None:
        """Look after a member no more."""
        self._wheel.drop(member)

    def watch(self, stuck: Stuck) -> None:
        """Look at this every time until ``forget``."""
        self._stuck[stuck] = None

    def forget(self, stuck: Stuck) -> None:
        """Look at this no more. Harmless when nobody does."""
        self._stuck.pop(stuck, None)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(min(self._wheel.tick, conf.UNSENT_SECONDS / 4))
            try:
                await self._once()
            except Exception:  # the next beat comes all the same
                logger.exception("a heartbeat failed")

    async def _once(self) -> None:
        now = self._loop.time()
        self._hub.presence.beat()
        self._hub.desk.beat()
        self._hub.seats.beat()
        self._hub.follower.rights.let_go()
        for stuck in list(self._stuck):
            stuck.look(now)
        end = perf_counter() + conf.FANOUT_SLICE
        for member in self._wheel.due(now):
            try:
                again = member.beat(now)
            except Exception as error:  # the others' hearts go on
                self._hub.give_up(member, error)
                continue
            if member.state.live:
                self._wheel.put(member, again)
            if perf_counter() >= end:  # ten thousand may have come in the same second
                await asyncio.sleep(0)
                end = perf_counter() + conf.FANOUT_SLICE
