"""This process's subscribers: who comes and goes, what each is handed, and in what order.

One per event loop, with the follower that feeds it. Everything between two awaits here is one step: a member that
joins has been sent all that came before and misses nothing that comes after. What is on its way to many is brought in
slices (``fanout``); whoever is touched meanwhile is settled first, so that no slice can be told from one step.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from django.utils import timezone
from uuid_utils.compat import uuid7

from realtime import counts, presence, process, topics
from realtime.again import give_all_again
from realtime.conf import conf
from realtime.counts import Counts
from realtime.desk import words
from realtime.desk.desk import STAFF, Desk
from realtime.fanout import FanOut
from realtime.follower import Follower
from realtime.heart import Heart
from realtime.members import Member, Members
from realtime.metrics import metrics
from realtime.presence import GATHER, Presence
from realtime.protocol.encoding import encode_data, timestamp
from realtime.protocol.entry import Entry
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Frame
from realtime.protocol.subscriber import Deliver, End, Gain, Order, Reason, Revoke
from realtime.relay import relay
from realtime.seats import Seats
from realtime.startover import start_over

__all__ = ["Hub", "Member", "fits", "obey"]

logger = logging.getLogger("realtime.hub")

DRAIN_PAUSE = 0.05  # seconds between two lots of clients that are sent away
ENVELOPE = 300  # bytes that a frame is about longer than its data


class Hub:
    """The members of one event loop, and all that is done to them."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.follower = Follower(self._fan_out, self._start_over, self._hear)
        later, clock = loop.call_later, loop.time
        self.presence = Presence(
            tell=partial(tell, presence.MESSAGE_TYPE), on_change=self._came_or_left, later=later, clock=clock
        )
        self.seats = Seats(Counts(process.name(), tell=partial(tell, counts.MESSAGE_TYPE), later=later, clock=clock))
        self.members = Members()
        self.fanout = FanOut(self.members, self.give_up, loop.call_soon)
        self.desk = Desk(self, partial(tell, words.MESSAGE_TYPE))
        self.heart = Heart(self)
        self.draining = False
        self._loop = loop
        self._helpers: set[asyncio.Task[None]] = set()
        self._came: list[tuple[str, str, bool]] = []  # and went, since the members were last told who

    async def ready(self) -> None:
        """Wait for the follower's first answer.

        Raises ProtocolError: ``unavailable`` when none comes in time, ``draining`` when the server is about to end.
        """
        if self.draining:
            raise ProtocolError("draining")
        if self.heart.start():
            self.follower.start()
        if not await self.follower.reach(0):
            raise ProtocolError("unavailable")

    def join(self, member: Member) -> bool:
        """Send ``member`` the rest from the tail and let it hear what comes, in one step.

        False when the tail does not reach back to where the member stands, when the rest is more than may be sent
        without waiting for the client, or while history changes: replay first. Also for one that is not open any more.
        """
        state, follower = member.state, self.follower
        if state.live or not member.is_open:
            return state.live
        if not follower.started or state.epoch != follower.epoch or state.position > follower.position:
            return False
        if state.position != follower.position and not self._send_rest(member):
            return False
        if state.ended or member.waits or not member.is_open:
            return False  # what stands behind that is for nobody, until the transport has looked again, or taken up
        state.advance(follower.position, follower.check)
        state.epoch = follower.epoch  # equal already; now it is one text for all
        state.go_live()
        self.members.add(member)
        for topic in state.topics:
            self._enter(member, topic)
        self.heart.add(member)
        metrics.subscribers.labels(member.transport).inc()
        return True

    def _send_rest(self, member: Member) -> bool:
        """Send a member what it lacks, up to where it gains a topic; False where memory lacks some, or it is much."""
        state = member.state
        rest = self.follower.since(state.position, [*state.topics, state.control])
        if rest is None or not fits(rest, state.topics):
            return False
        for entry in rest:
            if not member.waits:
                self._offer(member, entry, replayed=True)
        return True

    def leave(self, member: Member) -> None:
        """Forget a member. Harmless when it never joined or has left. What is on its way to it is not sent."""
        if not member.state.live:
            return
        member.state.live = False
        for topic in member.state.topics:
            self._drop(member, topic)
        self.members.remove(member)
        self.heart.drop(member)
        metrics.subscribers.labels(member.transport).dec()

    def subscribe(self, member: Member, topic: str) -> None:
        """Let a joined member hear a topic from the follower's position on."""
        self.fanout.settle(member)
        member.state.join(topic, self.follower.position)
        self._enter(member, topic)

    def unsubscribe(self, member: Member, topic: str) -> None:
        """Let a member hear a topic no more, once it has been sent what is on its way."""
        self.fanout.settle(member)
        member.state.leave(topic)
        self._drop(member, topic)

    def has(self, member: Member) -> bool:
        """Whether the member has joined and not left."""
        return member.state.live

    def stand(self, member: Member) -> None:
        """Bring a joined member's place up to this process's, having sent it all up to there."""
        if member.state.live:
            self.fanout.settle(member)
            member.state.advance(self.follower.position, self.follower.check)

    def give_again(self, members: Sequence[Member], upto: int) -> None:
        """Give members that start over what their users have not acknowledged, up to a place, beside all else."""
        task = self._loop.create_task(give_all_again(self.follower, members, upto))
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)

    async def drain(self, window: float) -> None:
        """Admit nobody, and send everybody away within ``window`` seconds, so that not all come back at once."""
        self.draining = True
        members = self.members.everybody()
        rounds = max(1, min(len(members), round(window / DRAIN_PAUSE)))
        for number in range(rounds):
            for member in members[number::rounds]:
                with suppress(Exception):
                    member.drain()
            await asyncio.sleep(window / rounds)

    def call_soon(self, call: Callable[[], None]) -> None:
        """Have something done on this hub's event loop. For any thread; RuntimeError when the loop has closed."""
        self._loop.call_soon_threadsafe(call)

    def slow(self) -> int:
        """How many members have not taken all they were sent."""
        return sum(1 for member in self.members.everybody() if member.unsent)

    def tell_staff(self, type: str, data: object) -> None:
        """Send an ephemeral event to the staff among this process's members."""
        self._tell_here(STAFF, type, data)

    def give_up(self, member: Member, error: Exception) -> None:
        """Let go of a member that raised an error, so that it comes back and resumes."""
        logger.error("a client could not be served and is sent away", exc_info=error)
        self.leave(member)
        with suppress(Exception):
            member.failed()

    def _enter(self, member: Member, topic: str) -> None:
        if self.members.enter(member, topic):
            self.presence.enter(topic, member.state.user_id)

    def _drop(self, member: Member, topic: str) -> None:
        if self.members.drop(member, topic):
            self.presence.exit(topic, member.state.user_id)

    def _fan_out(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.is_control:
                self._control(entry)
            elif self.members.on(entry.topic):
                self.fanout.add(Frame(entry, self.follower.epoch))
        self.fanout.start()
        self.desk.take(entries)

    def _control(self, entry: Entry) -> None:
        """Let a user's members obey at once: behind all that came before, ahead of all that is yet to come."""
        for member in list(self.members.of(entry.topic.partition(":")[2])):
            try:
                self.fanout.settle(member)
                self._offer(member, entry)
            except Exception as error:  # nobody else may miss an entry for it
                self.give_up(member, error)

    def _offer(self, member: Member, entry: Entry, *, replayed: bool = False) -> None:
        for order in member.state.offer(entry):
            obey(self, member, order, Frame(entry, self.follower.epoch, replayed=replayed))

    async def _start_over(self, reason: Reason) -> None:
        while self.fanout.busy:  # noqa: ASYNC110  # what was said of the old history is said first
            await asyncio.sleep(0)
        await start_over(self, reason)

    def _hear(self, message: Any) -> None:
        """Take a group message that is no batch. Raises ValueError for what nobody here would send."""
        match message["type"]:
            case presence.MESSAGE_TYPE:
                self.presence.hear(message["word"])
            case counts.MESSAGE_TYPE:
                self.seats.counts.hear(message["word"])
            case words.MESSAGE_TYPE:
                self.desk.hear(message["word"])
            case _:
                raise ValueError("unknown message")

    def _came_or_left(self, topic: str, user_id: str, online: bool) -> None:
        # A moment later: who joins is told of that before they are told who is there, and many come at once.
        if not self._came:
            self._loop.call_later(GATHER, self._tell_presence)
        self._came.append((topic, user_id, online))

    def _tell_presence(self) -> None:
        """Send the ephemeral events of who came and left to this process's members, each of them what concerns it."""
        came, self._came = self._came, []
        told: dict[str, list[Frame]] = defaultdict(list)
        for topic, user_id, online in came:
            if self.members.on(topic):
                told[topic].append(self._ephemeral(topic, *topics.presence_event(topic, user_id, online)))
        for frames in told.values():
            self.fanout.tell(frames)

    def _tell_here(self, topic: str, type: str, data: object) -> None:
        """Send an ephemeral event to this process's members on a topic."""
        if self.members.on(topic):
            self.fanout.tell([self._ephemeral(topic, type, data)])

    def _ephemeral(self, topic: str, type: str, data: object) -> Frame:
        now = timestamp(timezone.now())
        entry = Entry(0, topic, 0, str(uuid7()), type, encode_data(data).decode(), now)
        return Frame(entry, self.follower.epoch, placed=False)


def tell(type: str, word: Any) -> None:
    """Say something to the other processes that is not logged."""
    relay.tell({"type": type, "word": word})


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
