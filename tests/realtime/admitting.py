"""Clients that come in by the way in: with a token, as a transport lets them in, or in two steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accounts.authentication import issue
from accounts.models import User
from realtime.admission import Admitted, admit
from realtime.hub import Hub
from realtime.protocol.cursor import Cursor
from realtime.protocol.frame import Frame
from realtime.resume import Wanted, replay
from realtime.threads import run_db
from realtime.topics import Topic
from tests.realtime.recorder import Recorder, announce


def token_of(user: User) -> str:
    return str(issue(User.objects.get(pk=user.pk)).access_token)


def scope_of(token: str) -> dict[str, Any]:
    headers = [(b"host", b"testserver"), (b"authorization", f"Bearer {token}".encode())]
    return {"type": "websocket", "scheme": "ws", "path": "/ws", "query_string": b"", "headers": headers}


class Guest(Recorder):
    """A client that writes down Notes alone, and not what is told of its own coming and going."""

    def deliver(self, frame: Frame) -> None:
        if frame.entry.type == "Note":
            super().deliver(frame)


async def enter(
    at: Hub, token: str, *named: Topic, cursor: Cursor | None = None, automatic: bool = True
) -> tuple[Admitted, Recorder]:
    """Come in as a transport does, and be told nothing yet."""
    wanted = Wanted(frozenset(named), automatic=automatic)
    admitted = await admit(at.follower, scope_of(token), lambda user: wanted, cursor)
    return admitted, Guest(at, admitted.opening.state)


async def join(at: Hub, admitted: Admitted, member: Recorder) -> Recorder:
    await replay(at, member, lambda: admitted.credentials.user, admitted.asked)
    return member


async def connect(at: Hub, token: str, *named: Topic, **options: Any) -> Recorder:
    return await join(at, *await enter(at, token, *named, **options))


async def announced(at: Hub, *works: Callable[[], Any]) -> None:
    """Do all of it, give it its places, and let the follower hear of it."""
    for work in works:
        await run_db(work)
    await announce(at)
