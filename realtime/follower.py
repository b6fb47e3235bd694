"""The log, in order, in this process: one position up to which it is complete, and a tail of recent entries.

Announcements and nudges are hints that save a question; the log itself, asked on every tick and on every doubt, is
what is believed. So Redis is a matter of latency, never of truth.
"""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.db import Error as DatabaseError

from realtime import log, receipts
from realtime.again import Again
from realtime.announcer import MESSAGE_TYPE
from realtime.conf import conf
from realtime.metrics import metrics
from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Batch, Entry, decode_batch
from realtime.protocol.subscriber import Reason
from realtime.relay import pause, relay
from realtime.rights import RightsCache
from realtime.seal import Forged, unseal
from realtime.tail import Tail, empty, recent
from realtime.threads import run_db
from realtime.wanting import Wanting

logger = logging.getLogger("realtime.follower")

History = tuple[str, int]


class Follower:
    """Follows the log for one event loop. ``on_entries`` gets what is new, in order; ``on_reset`` a broken history."""

    def __init__(
        self,
        on_entries: Callable[[list[Entry]], None],
        on_reset: Callable[[Reason], Awaitable[None]],
        on_message: Callable[[Any], None],
    ) -> None:
        self.epoch = ""
        self.position = 0
        self.check = 0
        self.floor = 0  # of the log, as of the last look: what lies below is for nobody, though it is in the tail
        self.histories = 0  # it has stood in; a restored log may bear the name of the one before
        self.tail = Tail()
        self._broken: Reason | None = None
        self._on_entries = on_entries
        self._on_reset = on_reset
        self._on_message = on_message
        self._doubt = asyncio.Event()
        self._waiting: dict[asyncio.Future[None], float] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()
        self.rights = RightsCache(self)
        self.again = Again()

    @property
    def started(self) -> bool:
        """Whether this process stands somewhere in the log. Until then, and while it starts over, nobody can join."""
        return self.epoch != "" and self._broken is None

    @property
    def place(self) -> Cursor:
        """Where this process stands."""
        return Cursor(self.epoch, self.position, self.check)

    @property
    def history(self) -> History:
        """Which history this process stands in: its name, and its number here, as a name may come again."""
        return self.epoch, self.histories

    def start(self) -> None:
        """Begin to follow. The relay of this process nudges from now on, and ticks."""
        relay.follow(self.nudge)
        self._tasks = [self._loop.create_task(self._follow()), self._loop.create_task(self._listen())]

    async def stop(self) -> None:
        """Follow no more."""
        relay.unfollow(self.nudge)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def nudge(self, batch: Batch) -> None:
        """Hand over a batch from another thread."""
        try:
            self._loop.call_soon_threadsafe(self.take, batch)
        except RuntimeError:  # the loop has closed: nobody is left to be told
            relay.unfollow(self.nudge)

    def take(self, batch: Batch) -> None:
        """Take what follows right here; trim what begins earlier; ask the log about the rest."""
        if not self.started or (batch.last <= self.position and self._continues_with(batch)):
            return
        if batch.epoch != self.epoch:
            metrics.batches.labels("other_epoch").inc()
            self._doubt.set()
        elif batch.first > self.position + 1 or not batch.entries:
            metrics.batches.labels("gap").inc()
            self._doubt.set()
        elif not self._continues_with(batch):
            # A restored or failed-over database, which grew past here under the name that its log had before.
            metrics.batches.labels("other_history").inc()
            self._doubt.set()
        else:
            metrics.batches.labels("taken").inc()
            self._append(batch.entries[self.position + 1 - batch.first :])

    def _continues_with(self, batch: Batch) -> bool:
        """Whether a batch is of the history that is followed here, as far as it tells."""
        said: int | None
        known: int | None = self.check
        if not batch.entries:
            return True
        if batch.last <= self.position:
            said, known = batch.entries[-1].check, self.tail.check_at(batch.last)
        elif batch.first > self.position:
            said = batch.before
        else:
            said = batch.entries[self.position - batch.first].check
        return said is None or known is None or said == known

    def since(self, position: int, topics: Iterable[str] | None = None) -> list[Entry] | None:
        """Entries behind ``position`` from memory, of all topics or the given; None where the tail begins later."""
        return self.tail.since(position, topics)

    async def reach(self, position: int) -> bool:
        """Wait until this process is complete up to ``position``; False if the log does not go that far in time.

        Also True once this process starts over in another history: look again at what the position was good for.
        """
        return (self.started and self.position >= position) or await self._wait_for(position)

    async def outlive(self, history: History) -> bool:
        """Wait until this process stands in another history than ``history``; False if it does not in time."""
        return (self.started and self.history != history) or await self._wait_for(math.inf)

    async def _wait_for(self, position: float) -> bool:
        arrival = self._loop.create_future()
        self._waiting[arrival] = position
        self._doubt.set()
        try:
            async with asyncio.timeout(conf.START_TIMEOUT):
                await arrival
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(arrival, None)
        return True

    def restart(self, head: log.Head, tail: Tail | None = None, wanting: Wanting | None = None) -> None:
        """Stand at the head of another history, with nothing in memory but what is given."""
        self.epoch, self.position, self.check, self.floor = head.epoch, head.position, head.check, head.floor
        self.histories += 1
        self.tail = tail or empty(head)
        self.rights.clear()
        self.again.restart(Wanting(begin=head.position) if wanting is None else wanting)  # an empty one is false
        self._broken = None
        metrics.follower_position.set(self.position)
        self._arrived(math.inf)

    def _append(self, entries: list[Entry]) -> None:
        if not entries:
            return
        self.position, self.check = entries[-1].position, entries[-1].check
        self.tail.append(entries)
        self.rights.take(entries)
        self.again.wanting.take(entries)
        metrics.follower_position.set(self.position)
        self._on_entries(entries)
        self._arrived(self.position)

    def _arrived(self, position: float) -> None:
        """Tell those who wait for a place up to ``position``."""
        for arrival in [arrival for arrival, wanted in self._waiting.items() if wanted <= position]:
            del self._waiting[arrival]
            if not arrival.done():
                arrival.set_result(None)

    async def _follow(self) -> None:
        try:
            while True:
                self._doubt.clear()
                await self._look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause()):
                        await self._doubt.wait()
        finally:
            relay.unfollow(self.nudge)  # also when only the loop ends: a server stops without a word to us

    async def _look(self) -> None:
        try:
            await self._catch_up()
        except DatabaseError as error:
            logger.warning("the log does not answer, asking again at the next tick: %s", type(error).__name__)
        except Exception:
            logger.exception("following failed, going on at the next tick")

    async def _catch_up(self) -> None:
        """Ask the log for all that is missing here."""
        if self._broken is not None:  # starting over failed: until it is done, nothing else is
            await self._on_reset(self._broken)
        if not self.started:
            self.restart(*await run_db(_newest))
        while True:
            try:
                page = await run_db(log.follow, self.position, self.check, self.epoch)
                fresh = log.behind(self.position, self.check, page.entries)  # of a place that a batch may have moved
            except log.AnotherHistory as broken:
                metrics.resets.labels(broken.reason).inc()
                logger.warning("the log is another one (%s): every client here starts over", broken.reason)
                self._broken = broken.reason
                await self._on_reset(broken.reason)
                continue
            self.floor = max(self.floor, page.head.floor)
            self._append(fresh)
            if self.position >= page.head.position:
                return

    async def _listen(self) -> None:
        """Hear announcements for as long as the process lives, whatever becomes of Redis."""
        layer = get_channel_layer()
        if layer is None or isinstance(layer, InMemoryChannelLayer):
            return
        mailbox = f"realtime-{uuid.uuid4().hex}."
        while True:
            try:
                channel = await layer.new_channel(mailbox)  # type: ignore[call-arg]  # all but the abstract one take it
                await layer.group_add(conf.GROUP, channel)
                _obey_cancellation()
                self._doubt.set()
                while True:
                    self._hear(await _received(layer, channel))
            except asyncio.CancelledError:
                raise
            except Exception as error:  # whatever a layer raises: the tick goes on without it
                logger.warning("no announcements for now, the tick goes on: %s", type(error).__name__)
                _give_up(layer, mailbox)
                _obey_cancellation()
                await asyncio.sleep(conf.ANNOUNCE_PAUSE)

    def _hear(self, message: Any) -> None:
        try:
            said = unseal(message)
            if said["type"] != MESSAGE_TYPE:
                self._on_message(said)
                return
            batch = decode_batch(said["batch"])
        except Forged:
            metrics.batches.labels("forged").inc()
        except (ValueError, KeyError, TypeError):
            metrics.batches.labels("unreadable").inc()
        else:
            self.take(batch)


def _newest() -> tuple[log.Head, Tail, Wanting]:
    """Where the log ends, and what came last: from it the clients that come back to a new process are served."""
    head = log.head()
    return head, recent(head), receipts.load(head)


async def _received(layer: Any, channel: str) -> Any:
    """The next message; None for one that the layer itself cannot read, as a stranger's need not be its own.

    Raises whatever a layer raises that is not subscribed any more.
    """
    try:
        return await layer.receive(channel)
    except Exception:
        if channel not in getattr(layer, "channels", ()):
            raise
        return None


def _obey_cancellation() -> None:
    """End a task that was told to: redis-py, while it connects, swallows that, and a loop that closes would wait."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _give_up(layer: Any, mailbox: str) -> None:
    """Drop the queues of a mailbox: the layer keeps one for every channel, also where it could not subscribe to it."""
    channels = getattr(layer, "channels", {})
    for name in [name for name in channels if mailbox in name]:
        del channels[name]
