"""Taking up one more topic on a connection that is live already.

Apart from ``resume``, which places a whole connection: here the connection's own place stays, and what is replayed
for the topic carries no cursor.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from realtime import limits, log, topics
from realtime.access import present
from realtime.conf import conf
from realtime.controls import control_entries
from realtime.follower import History
from realtime.hub import Hub, Member, fits
from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Entry
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Frame
from realtime.protocol.subscriber import Reason, joinings
from realtime.settling import settle
from realtime.threads import run_db


async def join_topic(
    hub: Hub, member: Member, user: Any, topic: str, *, after: int | None = None, behind: int | None = None
) -> tuple[int, int]:
    """Replay what came after seq ``after``, or behind position ``behind``, then join; return (seq, replayed).

    A member that leaves the hub meanwhile, to take up what it gained, is waited for.

    Whoever asks for neither gets what comes from now on. A replay that cannot be whole is a Reset first. Raises
    ProtocolError: ``forbidden``, or ``unavailable`` when this process lags too far or the member has left the hub.
    """
    changes = member.state.changes
    start, reason = await run_db(_begin, user, topic, after, behind)
    joining = _Joining(hub, member, user, topic, start, changes)
    joining.is_replay = after is not None or behind is not None
    if reason is not None:
        joining.say_reset(reason)
    while not await joining.is_done():
        pass
    return joining.seq, joining.replayed


class _Start(NamedTuple):
    """Where to begin: an epoch and a position of the log; its head, and the topic's newest seq there."""

    epoch: str
    position: int
    head: int
    seq: int


class _Joining:
    """One topic on its way to one member: up to where it was sent, and how much of it."""

    def __init__(self, hub: Hub, member: Member, user: Any, topic: str, start: _Start, changes: int) -> None:
        self._hub = hub
        self._member = member
        self._user = user
        self._topic = topic
        self._epoch, self._position, self._head, self.seq = start
        self._histories = hub.follower.histories
        self._changes = changes  # control entries obeyed before the right was read
        self.replayed = 0
        self.is_replay = False

    async def is_done(self) -> bool:
        """Go one step further; True once the member hears the topic live."""
        follower = self._hub.follower
        if not self._is_there():
            await self._member.back()
        # As far as the topic was counted, too: nothing that counts as sent may come after it was said to be.
        until = max(self._position, self._head) if self._histories == follower.histories else 0
        if not await follower.reach(until) or not self._is_there():
            raise ProtocolError("unavailable")
        here, rest = follower.place, follower.since(self._position)
        if here.epoch != self._epoch or self._histories != follower.histories:
            await self._change_history(follower.history)
        elif self._changes != self._member.state.changes:
            self._changes = self._member.state.changes
            self._position = await run_db(_from_joining, self._user, self._topic, self._position)
        elif rest is None or not fits(rest, [self._topic]):
            await self._replay_page(here)
        else:
            # Without an await: what is in the tail, then what comes.
            self._send(rest)
            self._hub.subscribe(self._member, self._topic)
            return True
        return False

    def say_reset(self, reason: Reason) -> None:
        """Tell the member that it starts over at the topic's newest seq."""
        self._hub.stand(self._member)
        self._member.reset(reason, {self._topic: self.seq})

    def _is_there(self) -> bool:
        """Whether there is anybody to be sent something: neither closed nor being looked at again, nor gone."""
        return self._hub.has(self._member) and self._member.is_open

    async def _change_history(self, history: History) -> None:
        """Go on at the head of another history, once this process follows it too."""
        start = await run_db(_now, self._topic)
        if start.epoch == history[0] or await self._hub.follower.outlive(history):
            self._start_over(start, "epoch")
        else:
            raise ProtocolError("unavailable")

    async def _replay_page(self, here: Cursor) -> None:
        page = await run_db(partial(log.read, self._position, upto=here.position, topics=[self._topic]))
        if page.head.floor > self._position:
            self._start_over(await run_db(_now, self._topic), "trimmed")
        elif self._changes == self._member.state.changes:  # else the right is looked at before anything is sent
            for entry in page.entries:
                if not self._is_there():
                    return
                self._send([entry])
                await self._member.flushed()
            self._position = here.position if len(page.entries) < conf.PAGE else page.entries[-1].position

    def _start_over(self, start: _Start, reason: Reason) -> None:
        self._epoch, self._position, self._head, self.seq = start
        self._histories = self._hub.follower.histories
        if self.is_replay:
            self.say_reset(reason)

    def _send(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.topic == self._topic:
                self._member.deliver(Frame(entry, self._epoch, replayed=True, placed=False))
                self.seq, self.replayed = max(self.seq, entry.seq), self.replayed + 1


def _begin(user: Any, topic: str, after: int | None, behind: int | None) -> tuple[_Start, Reason | None]:
    """Check the right, and find where to begin. Raises ``forbidden``."""
    _check_right(user, topic)  # first: any text will do as a topic until then
    settle(user.pk)
    head, seqs = log.heads([topic])
    position, reason = _place(topic, after, behind, head, seqs[topic])
    return _Start(head.epoch, _from_joining(user, topic, position), head.position, seqs[topic]), reason


def _now(topic: str) -> _Start:
    head, seqs = log.heads([topic])
    return _Start(head.epoch, head.position, head.position, seqs[topic])


def _check_right(user: Any, topic: str) -> None:
    if not topics.readable(present(user), [topic]):
        raise ProtocolError("forbidden")


def _from_joining(user: Any, topic: str, position: int) -> int:
    """Where what stands behind ``position`` may be read from: the latest joining, if that is later."""
    _check_right(user, topic)
    return max(position, joinings(control_entries(user.pk, position)).get(topic, 0))


def _place(topic: str, after: int | None, behind: int | None, head: log.Head, newest: int) -> tuple[int, Reason | None]:
    if behind is not None:
        return behind, None
    if after is None or after == newest:
        return head.position, None
    if after > newest:
        return head.position, "ahead"
    place = log.place_of(topic, after)
    if place is None or place < head.floor:
        return head.position, "trimmed"
    if head.position - place > conf.MAX_REPLAY:
        limits.reached("MAX_REPLAY")
        return head.position, "trimmed"
    return place, None
