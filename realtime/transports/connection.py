"""The life of one client's connection, whatever carries it: replay, topics gained and lost, the end.

Apart from the transports, which only say the same things in their own words. What may be sent is decided by the
subscriber state; who is told of it, by the hub.
"""

from __future__ import annotations

import asyncio
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable
from typing import Any, ClassVar

from django.utils import timezone

from realtime.access import StaffKind
from realtime.again import give_again
from realtime.conf import conf
from realtime.members import Wire
from realtime.metrics import metrics
from realtime.protocol import messages
from realtime.protocol.errors import KINDS, ProtocolError
from realtime.protocol.frame import Form, Frame
from realtime.protocol.subscriber import Reason
from realtime.resume import Opening, replay
from realtime.threads import run_db
from realtime.transports.commands import take_up_gained
from realtime.transports.failing import closed_by_errors
from realtime.transports.looking import Looked
from realtime.transports.outlet import WayOut
from realtime.transports.seated import Seated


class Connection(Seated, ABC):
    """One client. Subclasses say frames, close, and listen; this class decides when.

    There may be ten thousand of them, and most do nothing: what only some need is made when it is needed, and what
    only admission needs is let go after it.
    """

    __slots__ = (
        "_gains",
        "_helpers",
        "_lock",
        "_return",
        "closing",
        "form",
        "loop",
        "outlet",
        "slot",
        "wire",
    )

    may_subscribe: ClassVar[bool] = False

    outlet: WayOut

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.wire: Wire | None = None
        self.form: Form | None = None
        self.slot = 0
        self.closing = False
        self._return: asyncio.Task[None] | None = None
        self._lock: asyncio.Lock | None = None
        self._gains: tuple[tuple[tuple[str, ...], int], ...] = ()
        self._helpers: set[asyncio.Task[None]] | None = None

    @property
    def lock(self) -> asyncio.Lock:
        """Held while a topic is taken up: one at a time."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    @property
    def is_open(self) -> bool:
        """Whether it may be sent anything more. Nobody hears that a client left while it replays, but its wire."""
        return not (self.closing or (self.wire is not None and self.wire.closed))

    @property
    def unsent(self) -> int:
        """Bytes that were sent and that the client has not taken."""
        return self.outlet.unsent

    @abstractmethod
    def say(self, frame: bytes, cursor: str | None = None) -> None:
        """Send a frame of this connection's own, which brings ``cursor`` if it brings any."""

    @abstractmethod
    def deliver(self, frame: Frame) -> None:
        """Send an event."""

    @abstractmethod
    def close(self, error: ProtocolError) -> None:
        """End the connection for this reason, once; what was written before is sent before."""

    def joined(self, topic: str, seq: int, replayed: int, reply_to: messages.ReplyTo = None) -> None:
        """Say that a topic is heard from now on. To be called before anything is awaited.

        What was replayed bore no cursor: without this one it would come again to who is cut off before the next.
        """
        self.hub.stand(self)
        cursor = self.state.cursor.encode()
        self.say(messages.subscribed(topic, seq, replayed, cursor, reply_to), cursor)

    def greeting(self) -> bytes:
        """The first frame, ``Connected``."""
        opening = self._opened()
        return messages.connected(
            timestamp=messages.timestamp(timezone.now()),
            user_id=self.state.user_id,
            connection_id=self.id,
            cursor=self.state.cursor.encode(),
            topics=opening.seqs,
            heartbeat=(conf.HEARTBEAT_INTERVAL, conf.HEARTBEAT_TIMEOUT),
            expires_at=messages.timestamp(self.expires_at) if self.expires_at else None,
        )

    async def catch_up(self) -> None:
        """Send what the client lacks and let it hear what comes; close the connection where that cannot be done."""
        opening = self._opened()
        self.opening = None
        if opening.reset is not None:
            self.reset(opening.reset, opening.seqs)
        if opening.lost:
            self.revoked(sorted(opening.lost))
        for topic in sorted(opening.gained):
            self.joined(topic, opening.seqs[topic], 0)
        await self._replay(begins=True)

    def _opened(self) -> Opening:
        assert self.opening is not None, "a client is greeted and caught up with once, after it was admitted"
        return self.opening

    async def _replay(self, *, begins: bool = False) -> None:
        with closed_by_errors(self, "a replay"), Looked(self):
            if begins:  # what is older than all that is replayed
                await give_again(self.hub.follower, self)
            await replay(self.hub, self, self.who, self.asked, self._history)
        if self.hub.draining:
            self.drain()
        elif self.hub.has(self):
            self.begin_to_hear()
        elif self.state.ended and not self.closing:
            await self._look_again()

    @abstractmethod
    def begin_to_hear(self) -> None:
        """Count both sides' silence from now on, the end of a replay: in it nobody is pinged."""

    def help(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine beside this connection, ended with it."""
        task = self.loop.create_task(work)
        if self._helpers is None:
            self._helpers = set()
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)
        return task

    def gone(self) -> None:
        """Leave everything; nothing is sent any more."""
        self.closing = True
        self.hub.leave(self)
        self.leave_seat()
        for task in self._helpers or ():
            task.cancel()

    def count_close(self, error: ProtocolError) -> None:
        """Mark the connection as closing, for this reason, and hear nothing more from the hub."""
        self.closing = True
        metrics.closed.labels(str(error.close_code)).inc()
        self.hub.leave(self)

    # What the hub asks of a member

    def revoked(self, topics: Iterable[str]) -> None:
        """Say that topics were taken away; a connection that gets no others has nothing left to do."""
        for topic in topics:
            self.say(messages.unsubscribed(topic, "revoked"))
        if not (self.may_subscribe or self.asked.automatic or self.state.topics):
            self.close(ProtocolError("signed_out", "Your access to this topic was taken away."))

    def gained(self, topics: Iterable[str], position: int) -> None:
        """Leave the hub until, of the topics gained, those that come without asking are taken up, and said to be."""
        if StaffKind.name in topics:  # to lose that ends the connection, as one that was admitted with it
            self.user = self.user._replace(is_staff=True)
        if self.is_given_topics:
            self._gains += ((tuple(topics), position),)
            if self.hub.has(self):
                self._leave_for(self._replay())

    @property
    def is_given_topics(self) -> bool:
        """Whether it asked for what comes without asking."""
        return self.asked.automatic

    @property
    def waits(self) -> bool:
        """Whether it was given topics that it has not taken up yet."""
        return bool(self._gains)

    async def take_up(self) -> None:
        """Join what was gained, and say so."""
        while self._gains and self.is_open:
            await take_up_gained(self, *self._gains[0])
            self._gains = self._gains[1:]

    async def back(self) -> None:
        """Wait until a replay that follows on something else is over."""
        if self._return is not None:
            await asyncio.wait([self._return])

    def ended(self) -> None:
        """Stop where the user's sessions ended, and look whether this one did: one begun after that goes on."""
        if self.hub.has(self) and not self.closing:
            self._leave_for(self._look_again())
        self.hub.leave(self)  # a replay looks itself, when it has stopped

    def _leave_for(self, work: Coroutine[Any, Any, None]) -> None:
        """Leave the hub, and do what leads back to it."""
        self._history = self.hub.follower.history
        self.hub.leave(self)
        self._return = self.help(work)

    async def _look_again(self) -> None:
        with closed_by_errors(self, "a look at what admitted a client"):
            await run_db(self.who)
            self.state.ended = False
            await self._replay()

    def failed(self) -> None:
        """Close after an error of ours; the client comes back with its cursor."""
        self.close(ProtocolError("internal"))

    def reset(self, reason: Reason, seqs: dict[str, int]) -> None:
        """Say that the cursor is worth nothing."""
        self.say(messages.reset(reason, self.state.cursor.encode(), seqs))

    def drain(self) -> None:
        """Close because the server ends. Each client is told another time to come back after."""
        draining = KINDS["draining"]
        self.close(ProtocolError(draining.code, retry_after=random.randint(1, 2 * (draining.retry_after or 1))))  # noqa: S311

    def lagging(self, size: int) -> None:
        """Take note that a fan-out wrote ``size`` bytes, and that not all went out at once."""
        self.outlet.lagging(size)

    async def flushed(self) -> None:
        """Wait until little is unsent."""
        await self.outlet.flushed()

    def beat(self, now: float) -> float:
        """Do what it is time for; say when to look again."""
        return self.expire(now)

    def expire(self, now: float) -> float:
        """Close a connection whose credential has expired; say when to look again."""
        if self.expires_at is None:
            return math.inf
        left = (self.expires_at - timezone.now()).total_seconds()
        if left <= 0 and not self.closing:
            self.close(ProtocolError("token_expired"))
        return now + left
