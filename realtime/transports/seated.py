"""How a client came in, and what is kept of that for as long as it stays: its seat, its credentials, its place.

Apart from the life of its connection, which begins after that: here nothing is said to a client, nor asked by the hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from sys import intern
from typing import Any, ClassVar, NamedTuple, cast

from django.db import Error as DatabaseError
from uuid_utils.compat import uuid7

from realtime.admission import admit
from realtime.conf import conf
from realtime.follower import History
from realtime.handshake import agent_in
from realtime.hub import Hub
from realtime.hubs import hub
from realtime.protocol.cursor import Cursor
from realtime.protocol.errors import ProtocolError
from realtime.protocol.subscriber import Subscriber
from realtime.resume import Opening, Wanted
from realtime.seats import Seat
from realtime.tokens import By, Credentials, recheck


class Known(NamedTuple):
    """What a connection keeps of its user for hours; whoever needs more asks the database who they are by then."""

    pk: Any
    is_staff: bool


class Seated:
    """One client that is admitted, or is about to be."""

    __slots__ = (
        "_by",
        "_history",
        "_said",
        "address",
        "agent",
        "asked",
        "expires_at",
        "hub",
        "id",
        "opening",
        "seat",
        "state",
        "user",
    )

    transport: ClassVar[str]

    hub: Hub
    state: Subscriber
    user: Known
    _history: History  # that the hub stood in before this client's place was read

    def __init__(self) -> None:
        self.id = str(uuid7())
        self.address = ""
        self.seat: Seat | None = None
        self.expires_at: datetime | None = None
        self.asked = Wanted()
        self.opening: Opening | None = None
        self.agent = ""
        self._by: By = "header"
        self._said = b""

    @property
    def credentials(self) -> Credentials:
        """What admitted this client."""
        return Credentials(cast("Any", self.user), self.expires_at, self._by, self._said)

    @credentials.setter
    def credentials(self, credentials: Credentials) -> None:
        user = credentials.user
        self.user = Known(user.pk, bool(getattr(user, "is_staff", False)))
        self.expires_at = credentials.expires_at
        self._by, self._said = credentials.by, credentials.said

    async def admit(self, scope: Mapping[str, Any], wanted: Callable[[Any], Wanted], cursor: Cursor | None) -> None:
        """Take a seat, authenticate, read rights and find the client's place. Raises ProtocolError to refuse it."""
        self.hub = hub()
        self.seat = self.hub.seats.take(scope)
        try:
            self.address = intern(str((scope.get("client") or [""])[0]))
            async with asyncio.timeout(conf.UNAUTHENTICATED_SECONDS):
                await self.hub.ready()
                self._history = self.hub.follower.history
                self.credentials, self.asked, self.opening = await admit(self.hub.follower, scope, wanted, cursor)
            self.state = self.opening.state
            self.agent = agent_in(scope)
            self.seat = self.hub.seats.give(self.seat, self.state.user_id, self.transport)
        except BaseException as error:
            self.leave_seat()
            if isinstance(error, TimeoutError):
                raise ProtocolError("unavailable", limit="UNAUTHENTICATED_SECONDS") from error
            if isinstance(error, DatabaseError):
                raise ProtocolError("unavailable") from error
            raise

    def who(self) -> Any:
        """The user as they are now. Raises ProtocolError ``signed_out`` when what admitted them has ended."""
        return recheck(self.credentials)

    def leave_seat(self) -> None:
        """Be counted no more."""
        seat, self.seat = self.seat, None
        if seat is not None:
            self.hub.seats.leave(seat)
