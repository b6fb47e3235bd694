"""This process's subscribers: who is on which topic, fan-out, control entries, resets and the heartbeat.

One per event loop, with the follower that feeds it. Everything between two awaits here is one step: a member that
joins has been sent all that came before and misses nothing that comes after.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

from django.contrib.auth import get_user_model
from django.utils import timezone
from uuid_utils.compat import uuid7

from realtime import log, topics
from realtime.conf import conf
from realtime.follower import Follower
from realtime.metrics import metrics
from realtime.presence import MESSAGE_TYPE as PRESENCE
from realtime.presence import Presence
from realtime.protocol.encoding import encode_data, timestamp
from realtime.protocol.entry import Entry
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Frame
from realtime.protocol.subscriber import Deliver, End, Gain, Order, Reason, Revoke, Subscriber
from realtime.relay import relay
from realtime.threads import run_db

logger = logging.getLogger("realtime.hub")

ENVELOPE = 300  # bytes that a frame is about longer than its data


class Member(Protocol):
    """What a transport gives the hub for each client. No method raises; none but ``flushed`` waits."""

    state: Subscriber
    transport: ClassVar[str]

    def deliver(self, frame: Frame) -> None:
        """Send an event."""

    def revoked(self, topics: Iterable[str]) -> None:
        """Say that topics were taken away."""

    def gained(self, topics: Iterable[str], position: int) -> None:
        """Take up those of the topics that the client should have, from ``position`` on."""

    def ended(self) -> None:
        """Close for good: signed out or deactivated."""

    def failed(self) -> None:
        """Close, after an error of ours, in a way that makes the client come back."""

    def reset(self, reason: Reason, seqs: dict[str, int]) -> None:
        """Say that the cursor is worth nothing; the state already stands at the new place."""

    async def flushed(self) -> None:
        """Wait until little is unsent, so that a replay fills no memory. Returns at once for a client that is gone."""

    def beat(self, now: float) -> None:
        """Send a heartbeat if it is time, or close a client that was silent too long."""


class Hub:
    """The members of one event loop, by topic and by user."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.follower = Follower(self._fan_out, self._start_over, self._hear)
        self.presence = Presence(tell=self._tell, on_change=self._came_or_left, later=loop.call_later, clock=loop.time)
        self._topics: dict[str, dict[Member, None]] = {}
        self._users: dict[str, dict[Member, None]] = {}
        self._heart: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Wait for the follower's first answer. Raises ProtocolError ``unavailable`` when none comes in time."""
        if self._heart is None:
            self._heart = asyncio.get_running_loop().create_task(self._beat())
            self.follower.start()
        if not await self.follower.reach(0):
            raise ProtocolError("unavailable")

    def join(self, member: Member) -> bool:
        """Send ``member`` the rest from the tail and let it hear what comes, in one step.

        False when the tail does not reach back to where the member stands, when the rest is more than may be sent
        without waiting for the client, or while history changes: replay first.
        """
        state, follower = member.state, self.follower
        if self.has(member):
            return True
        if not follower.started or state.epoch != follower.epoch or state.position > follower.position:
            return False
        rest = follower.since(state.position)
        if rest is None or not fits(rest, state.topics):
            return False
        for entry in rest:
            self._offer(member, entry, None, replayed=True)
        if state.ended:
            return False  # what stands behind that is for nobody, until the transport has looked again
        state.advance(follower.position, follower.check)
        self._users.setdefault(state.user_id, {})[member] = None
        for topic in state.topics:
            self._enter(member, topic)
        metrics.subscribers.labels(member.transport).inc()
        return True

    def leave(self, member: Member) -> None:
        """Forget a member. Harmless when it never joined or has left."""
        known = self._users.get(member.state.user_id, {})
        if member not in known:
            return
        del known[member]
        if not known:
            del self._users[member.state.user_id]
        for topic in list(member.state.topics):
            self._drop(member, topic)
        metrics.subscribers.labels(member.transport).dec()

    def subscribe(self, member: Member, topic: str) -> None:
        """Let a joined member hear a topic from the follower's position on."""
        member.state.join(topic, self.follower.position)
        self._enter(member, topic)

    def unsubscribe(self, member: Member, topic: str) -> None:
        """Let a member hear a topic no more."""
        member.state.leave(topic)
        self._drop(member, topic)

    def has(self, member: Member) -> bool:
        """Whether the member has joined and not left."""
        return member in self._users.get(member.state.user_id, ())

    def stand(self, member: Member) -> None:
        """Bring a joined member's place up to this process's: all up to there has been sent to it."""
        if self.has(member):
            member.state.advance(self.follower.position, self.follower.check)

    def _enter(self, member: Member, topic: str) -> None:
        members = self._topics.setdefault(topic, {})
        if member not in members:
            members[member] = None
            self.presence.enter(topic, member.state.user_id)

    def _drop(self, member: Member, topic: str) -> None:
        members = self._topics.get(topic, {})
        if member not in members:
            return
        del members[member]
        if not members:
            del self._topics[topic]
        self.presence.exit(topic, member.state.user_id)

    def _everybody(self) -> list[Member]:
        return [member for members in self._users.values() for member in members]

    def _fan_out(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.is_control:
                members = self._users.get(entry.topic.partition(":")[2])
            else:
                members = self._topics.get(entry.topic)
            if not members:
                continue
            frame = Frame(entry, self.follower.epoch)
            for member in list(members):
                try:
                    self._offer(member, entry, frame)
                except Exception as error:  # nobody else may miss an entry for it
                    self._give_up(member, error)

    def _tell(self, word: dict[str, Any]) -> None:
        relay.tell({"type": PRESENCE, "word": word})

    def _hear(self, message: Any) -> None:
        """Take a group message that is no batch. Raises ValueError for what nobody here would send."""
        if message["type"] != PRESENCE:
            raise ValueError("unknown message")
        self.presence.hear(message["word"])

    def _came_or_left(self, topic: str, user_id: str, online: bool) -> None:
        # A turn later, so that who joins is told of that before they are told who is there.
        asyncio.get_running_loop().call_soon(self._tell_presence, topic, user_id, online)

    def _tell_presence(self, topic: str, user_id: str, online: bool) -> None:
        """Send the ephemeral event of one user's coming or leaving to this process's members."""
        members = self._topics.get(topic)
        if not members:
            return
        type, data = topics.presence_event(topic, user_id, online)
        now = timestamp(timezone.now())
        entry = Entry(0, topic, 0, str(uuid7()), type, encode_data(data).decode(), now)
        frame = Frame(entry, self.follower.epoch, placed=False)
        for member in list(members):
            member.deliver(frame)

    def _offer(self, member: Member, entry: Entry, frame: Frame | None, *, replayed: bool = False) -> None:
        for order in member.state.offer(entry):
            obey(self, member, order, frame or Frame(entry, self.follower.epoch, replayed=replayed))

    async def _start_over(self, reason: Reason) -> None:
        """Another history: rights are read again, everyone is told where it stands, then the new log is followed."""
        members = self._everybody()
        wanted: dict[str, set[str]] = {}
        for member in members:
            wanted.setdefault(member.state.user_id, set()).update(member.state.topics)
        # In this order: what changes rights after they were read stands behind the head, and is obeyed from there.
        head, seqs = await run_db(log.heads, set().union(*wanted.values()))
        rights = await run_db(_rights_of, wanted)
        # What ended sessions between here and the head is skipped. In a log that went back, "here" means nothing.
        here = self.follower.position
        ended = await run_db(log.sessions_ended, here if here <= head.position else 0)
        self.follower.restart(head)
        for member in self._everybody():
            state = member.state
            allowed = rights.get(state.user_id)
            if allowed is None or state.user_id in ended:
                member.ended()
                continue
            if lost := [topic for topic in state.topics if topic not in allowed]:
                obey(self, member, Revoke(tuple(lost)), None)
            if self.has(member):
                state.restart(epoch=head.epoch, position=head.position, check=head.check)
                member.reset(reason, {topic: seqs.get(topic, 0) for topic in state.topics})

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, conf.HEARTBEAT_INTERVAL / 4))
            now = loop.time()
            self.presence.beat()
            for member in self._everybody():
                try:
                    member.beat(now)
                except Exception as error:  # the others' hearts go on
                    self._give_up(member, error)

    def _give_up(self, member: Member, error: Exception) -> None:
        """Let go of a member that raised an error, so that it comes back and resumes."""
        logger.error("a client could not be served and is sent away", exc_info=error)
        self.leave(member)
        with suppress(Exception):
            member.failed()


def fits(entries: list[Entry], topics: Collection[str]) -> bool:
    """Whether what of the entries is on the topics may be sent at once, without waiting for the client to take it."""
    sizes = (len(entry.data) + ENVELOPE for entry in entries if entry.topic in topics)
    return len(entries) <= conf.PAGE and sum(sizes) <= conf.UNSENT_BYTES // 4


def obey(hub: Hub, member: Member, order: Order, frame: Frame | None) -> None:
    """Do what the subscriber state ordered."""
    match order:
        case Deliver():
            if frame is not None:
                member.deliver(frame)
                metrics.delivered.labels(member.transport).inc()
        case Revoke(lost):
            for topic in lost:
                hub.unsubscribe(member, topic)
            member.revoked(lost)
        case Gain(gained, position):
            member.gained(gained, position)
        case End():
            member.ended()


def _rights_of(wanted: dict[str, set[str]]) -> dict[str, frozenset[topics.Topic]]:
    """What each user may read now, of what they are on; users who are gone or deactivated are missing."""
    users = get_user_model()._default_manager.filter(pk__in=wanted, is_active=True)
    return {str(user.pk): topics.readable(user, wanted[str(user.pk)]) for user in users}


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def figures() -> dict[str, Any]:
    """Clients by transport, topics and position of this process. May be asked from any thread."""
    hubs = list(_hubs.values())
    members = [member for known in hubs for users in list(known._users.values()) for member in list(users)]
    return {
        "clients": dict(Counter(member.transport for member in members)),
        "users": len({member.state.user_id for member in members}),
        "topics": len({topic for known in hubs for topic in list(known._topics)}),
        "position": max((known.follower.position for known in hubs), default=0),
    }


def online(topic: str) -> set[str]:
    """Who is on a topic now, as far as this process has heard. May be asked from any thread."""
    return {user for known in list(_hubs.values()) for user in known.presence.online(topic)}


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
