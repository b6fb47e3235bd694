"""The life of one client's connection, whatever carries it: admission, replay, topics gained and lost, the end.

Apart from the transports, which only say the same things in their own words. What may be sent is decided by the
subscriber state; who is told of it, by the hub.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.db import Error as DatabaseError
from django.utils import timezone
from uuid_utils.compat import uuid7

from realtime.conf import conf
from realtime.hub import Hub, hub
from realtime.metrics import metrics
from realtime.protocol import messages
from realtime.protocol.cursor import Cursor
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Frame
from realtime.protocol.subscriber import Reason, Subscriber
from realtime.resume import Opening, Wanted, open_subscriber, replay
from realtime.threads import run_db
from realtime.tokens import Credentials, authenticate_scope, recheck
from realtime.transports.commands import take_up_gained

logger = logging.getLogger("realtime.connection")


class Connection(ABC):
    """One client. Subclasses say frames, close, and listen; this class decides when."""

    transport: ClassVar[str]
    may_subscribe = False

    hub: Hub
    credentials: Credentials
    user: Any
    expires_at: datetime | None
    asked: Wanted
    opening: Opening
    state: Subscriber

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closing = False
        self.lock = asyncio.Lock()  # one topic is taken up at a time
        self._replaying = False
        self._gains: list[tuple[tuple[str, ...], int]] = []
        self._helpers: set[asyncio.Task[None]] = set()

    @abstractmethod
    def say(self, frame: bytes) -> None:
        """Send a frame of this connection's own."""

    @abstractmethod
    def deliver(self, frame: Frame) -> None:
        """Send an event."""

    @abstractmethod
    def close(self, error: ProtocolError) -> None:
        """End the connection for this reason, once; what was written before is sent before."""

    @abstractmethod
    async def flushed(self) -> None:
        """Wait until little is unsent."""

    async def admit(self, scope: Mapping[str, Any], wanted: Callable[[Any], Wanted], cursor: Cursor | None) -> None:
        """Authenticate, read rights and find the client's place. Raises ProtocolError when it is refused."""
        try:
            self.hub = hub()
            await self.hub.ready()
            # From before the credential is looked at: whatever ends it later stands behind this position.
            since = self.hub.follower.position
            self.credentials = await authenticate_scope(scope)
            self.user, self.expires_at = self.credentials.user, self.credentials.expires_at
            self.asked = wanted(self.user)
            self.opening = await run_db(open_subscriber, self.who, self.asked, cursor, since)
            self.state = self.opening.state
        except DatabaseError as error:
            raise ProtocolError("unavailable") from error

    def who(self) -> Any:
        """The user as they are now. Raises ProtocolError ``signed_out`` when what admitted them has ended."""
        return recheck(self.credentials)

    def greeting(self) -> bytes:
        """The first frame, ``Connected``."""
        return messages.connected(
            timestamp=messages.timestamp(timezone.now()),
            user_id=self.user.pk,
            connection_id=uuid7(),
            cursor=self.state.cursor.encode(),
            topics=self.opening.seqs,
            heartbeat=(conf.HEARTBEAT_INTERVAL, conf.HEARTBEAT_TIMEOUT),
            expires_at=messages.timestamp(self.expires_at) if self.expires_at else None,
        )

    async def catch_up(self) -> None:
        """Send what the client lacks and let it hear what comes; close the connection where that cannot be done."""
        if self.opening.reset is not None:
            self.reset(self.opening.reset, self.opening.seqs)
        if self.opening.lost:
            self.revoked(sorted(self.opening.lost))
        await self._replay()

    async def _replay(self) -> None:
        self._replaying = True
        try:
            await replay(self.hub, self, self.who, self.asked)
        except ProtocolError as error:
            self.close(error)
        except DatabaseError:
            self.close(ProtocolError("unavailable"))
        except Exception:
            logger.exception("a replay failed")
            self.close(ProtocolError("internal"))
        finally:
            self._replaying = False
        if self.hub.has(self):
            self._take_up_gains()
        elif self.state.ended and not self.closing:
            await self._look_again()

    def help(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside this connection, ended with it."""
        task = self.loop.create_task(work)
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    def gone(self) -> None:
        """Leave everything; nothing is sent any more."""
        self.closing = True
        self.hub.leave(self)
        for task in self._helpers:
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
        """Take up, of the topics gained, those that come without asking."""
        if self.asked.automatic:
            self._gains.append((tuple(topics), position))
            if self.hub.has(self):
                self._take_up_gains()

    def ended(self) -> None:
        """Stop where the user's sessions ended, and look whether this one did: one begun after that goes on."""
        self.hub.leave(self)
        if not (self.closing or self._replaying):  # a replay looks itself, when it has stopped
            self.help(self._look_again())

    async def _look_again(self) -> None:
        try:
            await run_db(self.who)
        except ProtocolError as error:
            self.close(error)
        except DatabaseError:
            self.close(ProtocolError("unavailable"))
        else:
            self.state.ended = False
            await self._replay()

    def failed(self) -> None:
        """Close after an error of ours; the client comes back with its cursor."""
        self.close(ProtocolError("internal"))

    def reset(self, reason: Reason, seqs: dict[str, int]) -> None:
        """Say that the cursor is worth nothing."""
        self.say(messages.reset(reason, self.state.cursor.encode(), seqs))

    def beat(self, now: float) -> None:
        """Close a connection whose credential has expired; looked at about once a second."""
        if not self.closing and self.expires_at is not None and self.expires_at <= timezone.now():
            self.close(ProtocolError("token_expired"))

    def _take_up_gains(self) -> None:
        gains, self._gains = self._gains, []
        for gained, position in gains:
            self.help(take_up_gained(self, gained, position))
