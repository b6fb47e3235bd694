"""A member of the hub that writes down what it is told, and a log that grows when the test says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar

from django.db import connection, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from realtime import log, pruning
from realtime.access import present
from realtime.hub import Hub
from realtime.members import Wire
from realtime.models import Event, LogHead
from realtime.outbox import publish
from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Batch, Entry
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Form, Frame
from realtime.protocol.subscriber import Reason, Subscriber
from realtime.resume import Opening, Wanted, open_subscriber, replay
from realtime.threads import run_db
from realtime.topics import Topic

PATIENCE = 30.0


class Recorder:
    """One client. ``said`` holds all it was told, events by their number; ``frames`` the events as they came.

    ``heard`` holds what is not of the log: types with their data.
    """

    transport: ClassVar[str] = "test"
    wire: Wire | None = None
    form: Form | None = None
    slot = 0
    is_open = True
    waits = is_given_topics = False
    address = "192.0.2.1"

    def __init__(self, hub: Hub, state: Subscriber) -> None:
        self.id = str(uuid7())
        self.hub = hub
        self.state = state
        self.said: list[Any] = []
        self.frames: list[Frame] = []
        self.heard: list[tuple[str, Any]] = []
        self.unsent = 0
        self.most_unsent = 0
        self.between_pages: Callable[[], Awaitable[None]] | None = None
        self.error: Exception | None = None

    @property
    def numbers(self) -> list[int]:
        """The numbers of the events it got."""
        return [number_of(frame.entry) for frame in self.frames]

    def deliver(self, frame: Frame) -> None:
        if self.error is not None:
            raise self.error
        if not frame.entry.position:  # ephemeral: no event of the log
            self.heard.append((frame.entry.type, json.loads(frame.entry.data)))
            return
        self.frames.append(frame)
        self.said.append(number_of(frame.entry))
        self.unsent += len(frame.json)
        self.most_unsent = max(self.unsent, self.most_unsent)

    def revoked(self, topics: Iterable[str]) -> None:
        self.said.append(("revoked", *topics))

    def gained(self, topics: Iterable[str], position: int) -> None:
        self.said.append(("gained", *topics, position))

    async def take_up(self) -> None:
        pass

    async def back(self) -> None:
        pass

    def ended(self) -> None:
        self.said.append("ended")
        self.hub.leave(self)

    def failed(self) -> None:
        self.said.append("failed")

    def reset(self, reason: Reason, seqs: dict[str, int]) -> None:
        self.said.append(("reset", reason, seqs))

    def close(self, error: ProtocolError) -> None:
        self.said.append(("closed", error.close_code))
        self.hub.leave(self)

    def drain(self) -> None:
        self.said.append("drained")
        self.hub.leave(self)

    def lagging(self, size: int) -> None:
        self.said.append(("lagging", size))

    def beat(self, now: float) -> float:
        if self.error is not None:
            raise self.error
        self.said.append("beat")
        return now

    async def flushed(self) -> None:
        self.unsent = 0
        if self.between_pages is not None:
            await self.between_pages()


def is_empty(hub: Hub) -> bool:
    return not hub.members.topics and not hub.members.users


def number_of(entry: Entry) -> int:
    number: int = json.loads(entry.data)["n"]
    return number


@asynccontextmanager
async def standing(hub: Hub | None = None) -> AsyncIterator[Hub]:
    """A hub whose follower stands at the head of the log, and asks no more of it unless it must."""
    hub = hub or Hub()
    try:
        await hub.ready()
        await until(lambda: bool(hub.follower._doubt._waiters))
        yield hub
    finally:
        await hub.follower.stop()
        hub.heart.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


def tell(*numbers: int, to: Iterable[Topic], data: str = "", ack: bool = False) -> None:
    """Publish one event for each number, in one transaction."""
    with transaction.atomic():
        for number in numbers:
            publish("Note", {"n": number, "data": data}, to=to, ack=ack)


def fill(*numbers: int, to: Iterable[Topic], data: str = "") -> None:
    """Events that stand in the log, one after the other, before anybody comes."""
    for number in numbers:
        tell(number, to=to, data=data)
    sequence()


def in_transaction(*works: Callable[[], Any]) -> None:
    """Do all in one transaction, and give what it tells its places."""
    with transaction.atomic():
        for work in works:
            work()
    sequence()


def sequence() -> Batch | None:
    """Give all that was published its places; return them as one run."""
    head = log.head()
    while log.sequence():
        pass
    entries = log.read(head.position, limit=5000).entries
    return Batch(head.epoch, entries[0].position, entries[-1].position, entries) if entries else None


async def grow(hub: Hub, *numbers: int, to: Iterable[Topic], data: str = "", ack: bool = False) -> None:
    """Publish, sequence, and hand the entries to the hub's follower."""
    await run_db(lambda: tell(*numbers, to=to, data=data, ack=ack))
    await announce(hub)


async def announce(hub: Hub) -> None:
    """Sequence what was published, hand it to the hub's follower, and wait until everybody here has it."""
    batch = await run_db(sequence)
    if batch is not None:
        hub.follower.take(batch)
    while hub.fanout.busy:  # a machine that paused meanwhile has it done in more than one slice
        await asyncio.sleep(0)


async def change(hub: Hub, *works: Callable[[], Any]) -> None:
    """Do all in one transaction and announce it as one batch."""

    def do() -> None:
        with transaction.atomic():
            for work in works:
                work()

    await run_db(do)
    await announce(hub)


async def connect(
    hub: Hub, user: Any, *topics: Topic, cursor: Cursor | None = None, automatic: bool = False, **facts: Any
) -> Recorder:
    """Begin as a transport does: open, replay, join."""
    member = await opened(hub, user, *topics, cursor=cursor, automatic=automatic)
    for name, value in facts.items():
        setattr(member, name, value)
    await replay(hub, member, lambda: present(user), wanted(*topics, automatic=automatic))
    return member


async def opened(
    hub: Hub, user: Any, *topics: Topic, cursor: Cursor | None = None, automatic: bool = False
) -> Recorder:
    """Begin, and go no further."""
    found = await run_db(lambda: opening(user, *topics, cursor=cursor, automatic=automatic))
    member = Recorder(hub, found.state)
    if found.reset is not None:
        member.reset(found.reset, found.seqs)
    return member


def opening(user: Any, *topics: Topic, cursor: Cursor | None = None, automatic: bool = False) -> Opening:
    return open_subscriber(lambda: present(user), wanted(*topics, automatic=automatic), cursor)


def wanted(*topics: Topic, automatic: bool = False) -> Wanted:
    return Wanted(frozenset(topics), automatic=automatic)


def newest() -> Cursor:
    return log.head().cursor


def cursor_at(position: int) -> Cursor:
    """The cursor of a client that was sent everything up to ``position``."""
    return Cursor(log.head().epoch, position, log.check_at(position) or 0)


async def seq_of(name: Topic) -> int:
    """The newest seq of a topic."""
    return (await run_db(lambda: log.heads([name])))[1][name]


def prune_all() -> None:
    """Let everything but the newest entry be old, and go."""
    Event.objects.update(timestamp=timezone.now() - timedelta(days=30))
    pruning.prune(timezone.now() - timedelta(days=1))


def restore(position: int) -> None:
    """Go back to what was there when the log had ``position`` entries, as a restored dump does."""
    Event.objects.filter(position__gt=position).delete()
    LogHead.objects.update(position=position, check_bits=log.check_at(position))


def rename_head(old: str, new: str) -> None:
    """Let nobody find the log's head, as while a database is restored; or find it again."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")
