"""The client: an asynchronous iterator of events, and what a program may ask of it meanwhile."""

from __future__ import annotations

import inspect
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from .exchange import Exchange
from .http import Http
from .inbox import Place, Reset
from .messages import Event
from .status import State, Status
from .timing import Timing
from .token import GetToken, Token
from .transports import LINES, Surroundings

TRANSPORTS = tuple(LINES)

GetSnapshot = Callable[[Mapping[str, Any]], "Awaitable[object] | object"]


class RealtimeClient:
    """Stays connected to the server at ``url`` while it is entered, and gives each event once, in order.

        async with RealtimeClient("https://ledger.example.org", get_token=token) as client:
            async for event in client:
                print(event.type, event.data)

    ``get_token(refresh)`` gives the access token, ``cursor`` is where to go on. ``get_snapshot(reset)`` is called
    between two events when the server cannot go on from there; without it such a Reset is given as an event.
    ``on_status`` hears of the line. With ``auto_ack`` an event that wants it is acknowledged when the next one is asked
    for.

    The iteration ends when the client is left or stopped, and with a RealtimeError when the server does not want it any
    more. A program that takes nothing for long is not read to, and resumes when it goes on.
    """

    def __init__(
        self,
        url: str,
        *,
        get_token: GetToken | None = None,
        transports: Iterable[str] = TRANSPORTS,
        topics: Iterable[str] = (),
        cursor: str | None = None,
        get_snapshot: GetSnapshot | None = None,
        on_status: Callable[[Status], object] | None = None,
        auto_ack: bool = False,
        trust_env: bool = True,
        timing: Timing | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.status = Status(state=State.STOPPED)
        self.cursor = cursor
        """The place up to which the program has taken everything, and has come back for more."""
        self._timing = timing or Timing()
        self._transports = _known(transports)
        self._get_snapshot, self._on_status, self._auto_ack = get_snapshot, on_status, auto_ack
        self._token = Token(get_token, self._timing)
        self._exchange = Exchange(
            topics=topics, cursor=cursor, token=self._token, timing=self._timing, on_status=self._changed
        )
        self._url, self._trust_env, self._chance = url.rstrip("/"), trust_env, chance
        self._given: Event | None = None
        self._reset: Reset | None = None

    async def __aenter__(self) -> Self:
        base = urlsplit(self._url)
        self._http = Http(f"{self._url}/api/v1/", self._token, self._timing, trust_env=self._trust_env)
        surroundings = Surroundings(
            socket_url=base._replace(scheme=base.scheme.replace("http", "ws", 1)).geturl() + "/ws",
            trust_env=self._trust_env,
            http=self._http,
            token=self._token,
            timing=self._timing,
            topics=lambda: self._exchange.topics.names,
            cursor=lambda: self._exchange.received,
            random=self._chance,
        )
        self._exchange.start(self._transports, surroundings)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the line and end the iteration; what still waits is forgotten, the cursor is before it."""
        await self._exchange.stop()
        await self._http.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        await self._handled()
        while True:
            if self._reset is not None:
                # Kept until it has succeeded: a program that catches its error and goes on is asked again.
                await self._fetch(self._reset)
                self._reset = None
            match await self._exchange.inbox.take():
                case Place(cursor):
                    self.cursor = cursor
                case Reset() as reset if self._get_snapshot is not None:
                    self._reset = reset
                case Reset(message):
                    self._given = Event.of(message)
                    self.cursor = (message.get("data") or {}).get("cursor", self.cursor)
                    return self._given
                case Event() as event:
                    self._given = event
                    return event

    async def request(self, resource: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask for a resource; a question asked while the line is down waits for the next one.

        Returns ``resource``, ``params``, ``result`` and ``cursor``. Raises RealtimeError.
        """
        return await self._exchange.ask("Request", {"resource": resource, "params": dict(params or {})})

    async def subscribe(self, topic: str, *, after: int | None = None) -> dict[str, Any]:
        """Follow one more topic across lines, from its newest event or from just after the seq ``after``.

        Returns the data of ``Subscribed``. Raises RealtimeError when it is refused, and then forgets the topic.
        """
        return await self._exchange.subscribe(topic, after)

    async def unsubscribe(self, topic: str) -> None:
        """Follow a topic no more."""
        await self._exchange.unsubscribe(topic)

    async def ack(self, event_id: str) -> None:
        """Say that an event has been handled; said again by itself should the server give it again."""
        await self._exchange.ack(event_id)

    def wake(self) -> None:
        """Try now instead of later."""
        self._exchange.wake()

    def _changed(self, status: Status) -> None:
        self.status = status
        if self._on_status is not None:
            self._on_status(status)

    async def _handled(self) -> None:
        """The program has come back: the event that it was given is behind it."""
        event, self._given = self._given, None
        if event is not None and event.wants_ack and event.id and self._auto_ack:
            await self.ack(event.id)

    async def _fetch(self, reset: Reset) -> None:
        assert self._get_snapshot is not None
        data = reset.message.get("data") or {}
        fetched = self._get_snapshot(data)
        if inspect.isawaitable(fetched):
            await fetched
        self.cursor = data.get("cursor", self.cursor)


def _known(transports: Iterable[str]) -> tuple[str, ...]:
    names = tuple(transports)
    unknown = [name for name in names if name not in LINES]
    if unknown or not names:
        raise ValueError(f"unknown transports {unknown}: there are {', '.join(LINES)}")
    return names
