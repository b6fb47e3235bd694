"""The hubs of this process, one for each event loop, and what may be asked of all of them together.

Apart from the hub, which serves one loop and knows of no other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from realtime.desk.figures import OperationsFigures
from realtime.hub import Hub

_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def figures() -> dict[str, Any]:
    """Clients by transport, topics and position of this process. May be asked from any thread."""
    hubs = list(_hubs.values())
    members = [member for known in hubs for users in list(known.members.users.values()) for member in list(users)]
    return {
        "clients": dict(Counter(member.transport for member in members)),
        "users": len({member.state.user_id for member in members}),
        "topics": len({topic for known in hubs for topic in list(known.members.topics)}),
        "position": max((known.follower.position for known in hubs), default=0),
    }


def operations() -> OperationsFigures | None:
    """How all processes are doing, and go on saying for a while. None before it is known. For any thread."""
    for known in list(_hubs.values()):
        with suppress(RuntimeError):  # its loop has closed
            known.call_soon(known.desk.keep)
    told = [figures for known in list(_hubs.values()) if (figures := known.desk.figures()).processes]
    return told[0] if told else None


def online(topic: str) -> set[str]:
    """Who is on a topic now, as far as this process has heard. May be asked from any thread."""
    return {user for known in list(_hubs.values()) for user in known.presence.online(topic)}


async def drain(window: float) -> None:
    """Send the clients of the running event loop away within ``window`` seconds, if it ever had any."""
    known = _hubs.get(asyncio.get_running_loop())
    if known is not None:
        await known.drain(window)


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
