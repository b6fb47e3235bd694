"""What is looked at in a replay: whether that which admitted its client has ended meanwhile.

Apart from the hub and its heart, which do not know of a client that has not joined. One that reads slowly may be in its
replay for long, and the end of its user's sessions may stand far behind what it is being sent.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from realtime.follower import Follower
from realtime.protocol.entry import SESSIONS_ENDED
from realtime.protocol.subscriber import Subscriber
from realtime.threads import run_db
from realtime.transports.failing import closed_by_errors

if TYPE_CHECKING:
    from realtime.transports.connection import Connection

LOOK = 1.0  # seconds from one look to the next: most replays are over before the first


class Looked:
    """Looks after a client while the block runs, and closes it where it may not stay."""

    __slots__ = ("_asked", "_client", "_timer")

    def __init__(self, client: Connection) -> None:
        self._client = client
        self._asked = 0  # the end of sessions, by its place, of which it was asked whether it concerns this client

    def __enter__(self) -> None:
        self._wait()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _wait(self) -> None:
        self._timer: asyncio.TimerHandle = self._client.loop.call_later(LOOK, self._look)

    def _look(self) -> None:
        client = self._client
        client.expire(client.loop.time())
        ended = _sessions_ended(client.hub.follower, client.state)
        if ended > self._asked and not client.closing:
            self._asked = ended
            client.help(self._ask())
        self._wait()

    async def _ask(self) -> None:
        with closed_by_errors(self._client, "a look at what admitted a client"):
            await run_db(self._client.who)


def _sessions_ended(follower: Follower, state: Subscriber) -> int:
    """The newest place, ahead of a client, at which sessions of its user ended; 0 where none is known."""
    if follower.epoch != state.epoch:
        return 0
    behind = max(state.position, state.rights_position, follower.tail.begin)
    ends = follower.since(behind, [state.control]) or ()
    return max((entry.position for entry in ends if entry.type == SESSIONS_ENDED), default=0)
