"""The clients of one event loop as its hub knows them: by topic, by user, and what it may ask of each.

Apart from the hub so that fan-out, starting over and the heartbeat can each be understood without the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, Protocol

from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Form, Frame
from realtime.protocol.subscriber import Reason, Subscriber


class Wire(Protocol):
    """The straight way to a client's transport, past ASGI's ``send``: ``realtime.wire`` among a scope's extensions."""

    closed: bool
    """Nothing can be written any more."""
    unsent: int
    """Bytes taken and not yet with the kernel."""

    def write(self, data: bytes) -> None:
        """Take whole, framed bytes, in order with whatever ``send`` wrote. Never waits, never raises."""

    def drained(self, callback: Callable[[], None] | None) -> None:
        """Call back once, when ``unsent`` falls to zero next; None forgets it."""


Receive = Callable[[], Awaitable[Any]]


class RestingWire(Wire, Protocol):
    """The wire of a server that has ``realtime.rest`` among the extensions too."""

    def rest(self, go_on: Callable[[Receive], Awaitable[None]]) -> bool:
        """Go on with this, in another task, once there is something to receive; False if there is already."""


class WakingWire(RestingWire, Protocol):
    """The same for an answer in HTTP, of which nobody else may ever say anything more."""

    def wake(self) -> None:
        """Go on now, if it rests."""


class Member(Protocol):
    """What a transport gives the hub for each client. No method raises; none but ``flushed`` waits."""

    state: Subscriber
    transport: ClassVar[str]
    wire: Wire | None
    form: Form | None
    """Where a fan-out writes, and what: None has it call ``deliver`` for each frame."""
    slot: int
    """The wheel's note."""
    id: str
    """A UUIDv7: the name by which staff finds this connection, and when it began."""
    address: str
    """Whence it came, as the server says."""

    @property
    def is_open(self) -> bool:
        """Whether it may be sent anything more: neither closing, nor given up, nor gone."""

    @property
    def is_given_topics(self) -> bool:
        """Whether it is on topics that come without asking, and so on those that come later."""

    @property
    def waits(self) -> bool:
        """Whether it was given topics that it has not taken up yet: until then it is sent nothing of the log."""

    @property
    def unsent(self) -> int:
        """Bytes that were sent and that the client has not taken."""

    def close(self, error: ProtocolError) -> None:
        """End the connection for this reason."""

    def deliver(self, frame: Frame) -> None:
        """Send an event."""

    def lagging(self, size: int) -> None:
        """Take note that a fan-out wrote ``size`` bytes, and that not all went out at once."""

    def revoked(self, topics: Iterable[str]) -> None:
        """Say that topics were taken away."""

    def gained(self, topics: Iterable[str], position: int) -> None:
        """Take note of topics of which the client should have some, from ``position`` on, where it stands now."""

    async def take_up(self) -> None:
        """Join what was gained, and say so. Called before anything else is sent."""

    async def back(self) -> None:
        """Wait until it has joined the hub again, where it left to take up what it gained, or to be looked at."""

    def ended(self) -> None:
        """Close for good: signed out or deactivated."""

    def failed(self) -> None:
        """Close, after an error of ours, in a way that makes the client come back."""

    def drain(self) -> None:
        """Close because the server ends; the client comes back elsewhere."""

    def reset(self, reason: Reason, seqs: dict[str, int]) -> None:
        """Say that the cursor is worth nothing; the state already stands at the new place."""

    async def flushed(self) -> None:
        """Wait until little is unsent, so that a replay fills no memory. Returns at once for a client that is gone."""

    def beat(self, now: float) -> float:
        """Send a heartbeat if it is time, close a client that was silent too long; say when to look again."""


Group = tuple[Member, ...] | dict[Member, None]
"""The members on one topic, or of one user: mostly one, for which a dictionary would be five times as large."""


class Members:
    """Who is on which topic, and which clients a user has."""

    def __init__(self) -> None:
        self.topics: dict[str, Group] = {}
        self.users: dict[str, Group] = {}

    def on(self, topic: str) -> Group:
        """The members on a topic."""
        return self.topics.get(topic, ())

    def of(self, user_id: str) -> Group:
        """The members of a user."""
        return self.users.get(user_id, ())

    def everybody(self) -> list[Member]:
        """All members, at this moment."""
        return [member for members in self.users.values() for member in members]

    def add(self, member: Member) -> None:
        """Take in a member."""
        _put(self.users, member.state.user_id, member)

    def remove(self, member: Member) -> None:
        """Forget a member that has left its topics."""
        _take(self.users, member.state.user_id, member)

    def enter(self, member: Member, topic: str) -> bool:
        """Put a member on a topic; False if it was there already."""
        return _put(self.topics, topic, member)

    def drop(self, member: Member, topic: str) -> bool:
        """Take a member off a topic; False if it was not there."""
        return _take(self.topics, topic, member)


def _put(groups: dict[str, Group], name: str, member: Member) -> bool:
    group = groups.get(name)
    if group is None:
        groups[name] = (member,)
    elif member in group:
        return False
    elif isinstance(group, tuple):
        groups[name] = {group[0]: None, member: None}
    else:
        group[member] = None
    return True


def _take(groups: dict[str, Group], name: str, member: Member) -> bool:
    group = groups.get(name, ())
    if member not in group:
        return False
    if isinstance(group, tuple) or len(group) == 1:
        del groups[name]
    else:
        del group[member]
    return True
