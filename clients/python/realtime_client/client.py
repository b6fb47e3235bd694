"""The client: an asynchronous iterator of events, and what a program may ask of it meanwhile."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from .connection import Connection
from .errors import NOT_ADMITTED, TOKEN_EXPIRED, LineEnded, RealtimeError
from .http import Http
from .inbox import Inbox, Place, Reset
from .messages import REPLIES, Event, Message
from .questions import Questions
from .recent import Recent
from .renewal import Renewal
from .status import State, Status
from .subscriptions import Subscriptions
from .table import MEANINGS
from .timing import Timing
from .token import GetToken, Token
from .transports import LINES, Line, Surroundings

logger = logging.getLogger("realtime_client")

REMEMBERED = 1000
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
        self._received = cursor
        self._timing = timing or Timing()
        self._transports = _known(transports)
        self._get_snapshot, self._on_status, self._auto_ack = get_snapshot, on_status, auto_ack
        self._seen, self._acked = Recent(REMEMBERED), Recent(REMEMBERED)
        self._topics, self._questions = Subscriptions(topics), Questions()
        self._inbox = Inbox(lambda: bool(self._questions))
        self._token = Token(get_token, self._timing)
        self._url, self._trust_env, self._chance = url.rstrip("/"), trust_env, chance
        self._given: Event | None = None
        self._reset: Reset | None = None
        self._renewal = Renewal(lambda: self._spawn(self._renew()), self._timing)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        base = urlsplit(self._url)
        self._http = Http(f"{self._url}/api/v1/", self._token, self._timing, trust_env=self._trust_env)
        surroundings = Surroundings(
            socket_url=base._replace(scheme=base.scheme.replace("http", "ws", 1)).geturl() + "/ws",
            trust_env=self._trust_env,
            http=self._http,
            token=self._token,
            timing=self._timing,
            topics=lambda: self._topics.names,
            cursor=lambda: self._received,
            random=self._chance,
        )
        self._connection = Connection(self, self._transports, surroundings)
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the line and end the iteration; what still waits is forgotten, the cursor is before it."""
        self._inbox.close(at_once=True)
        for task in {self._running, *self._tasks}:
            task.cancel()
        await asyncio.wait({self._running, *self._tasks})
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
            match await self._inbox.take():
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
        return await self._ask("Request", {"resource": resource, "params": dict(params or {})})

    async def subscribe(self, topic: str, *, after: int | None = None) -> dict[str, Any]:
        """Follow one more topic across lines, from its newest event or from just after the seq ``after``.

        Returns the data of ``Subscribed``. Raises RealtimeError when it is refused, and then forgets the topic.
        """
        try:
            return await self._ask("Subscribe", self._topics.want(topic, after))
        except RealtimeError:
            self._topics.drop(topic)
            raise

    async def unsubscribe(self, topic: str) -> None:
        """Follow a topic no more."""
        was_named = self._topics.drop(topic)
        self._questions.reject("withdrawn", lambda message: message["data"].get("topic") == topic)
        await self._send({"command": "Unsubscribe", "data": {"topic": topic}})
        if was_named:
            self._connection.renew()

    async def ack(self, event_id: str) -> None:
        """Say that an event has been handled; said again by itself should the server give it again."""
        self._acked.add(event_id)
        await self._send({"command": "Ack", "data": {"message_id": event_id}})

    def wake(self) -> None:
        """Try now instead of later."""
        self._connection.wake()

    # --- what comes ---------------------------------------------------------------------------------

    async def heard(self, message: Message, line: Line) -> None:
        """Take in what came over a line."""
        data = message.get("data") or {}
        match message["type"]:
            case "Connected":
                await self._connected(message, data)
            case "Ping":
                await self._move(message.get("cursor"))
            case "Reset":
                await self._inbox.put(Reset(message))
                self._received = data.get("cursor", self._received)
            case kind if kind in REPLIES:
                self._reply(message, data)
            case _:
                await self._tell(message)

    def changed(self, status: Status) -> None:
        """Hear of the line's state."""
        self.status = status
        logger.debug("%s %s %s", status.state, status.transport, status.code or "")
        if status.state != State.LIVE:
            self._renewal.cancel()
        if self._on_status is not None:
            self._on_status(status)

    def can_mend(self, code: int) -> bool:
        """Whether another token, or other topics, may be let in where these were not."""
        if code == TOKEN_EXPIRED:
            self._token.spoil()
            return self._token.used
        if code != NOT_ADMITTED or not self._topics.doubt():
            return False
        # Asked for one by one, the others come back without what was missed.
        self._spawn(self._inbox.put(Reset({"type": "Reset", "data": {"reason": "topics"}})))
        return True

    async def _connected(self, message: Message, data: Mapping[str, Any]) -> None:
        # With a cursor handed over, the missed events are still to come: only they may move it.
        if self._received is None:
            await self._move(data.get("cursor"))
        self._renewal.plan(data.get("expires_at"), message.get("timestamp"))
        unanswered = self._questions.unanswered
        asked = {question["data"].get("topic") for question in unanswered}
        for topic, after in list(self._topics.wanted.items()):
            if topic not in asked:
                self._spawn(self._subscribe_again(topic, after))
        for question in unanswered:
            self._spawn(self._send(question))

    async def _subscribe_again(self, topic: str, after: int | None) -> None:
        with suppress(RealtimeError):
            await self.subscribe(topic, after=after)

    def _reply(self, message: Message, data: Mapping[str, Any]) -> None:
        if message["type"] == "Authenticated":
            self._renewal.plan(data.get("expires_at"), message.get("timestamp"))
        if not self._questions.settle(message) and message["type"] == "Error":
            logger.warning("the server refused: %s %s", data.get("code"), data.get("message"))

    async def _tell(self, message: Message) -> None:
        event_id = message.get("id")
        if event_id is None or event_id not in self._seen:
            await self._inbox.put(Event.of(message))
        elif event_id in self._acked:
            self._spawn(self.ack(event_id))
        # Only now: a line that was given up meanwhile has not told it.
        if event_id is not None:
            self._seen.add(event_id)
        if self._topics.note(message):
            self._connection.renew()
        if message["type"] == "Subscribed":
            self._questions.settle(message)
            await self._move(message["data"].get("cursor"))
        elif message.get("seq") is not None:
            await self._move(message.get("cursor"))

    async def _move(self, cursor: str | None) -> None:
        if cursor:
            self._received = cursor
            await self._inbox.put(Place(cursor))

    # --- what goes ----------------------------------------------------------------------------------

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

    async def _ask(self, command: str, data: Message) -> dict[str, Any]:
        message, answer = self._questions.open(command, data)
        self._inbox.stir()
        try:
            async with asyncio.timeout(self._timing.request):
                await self._send(message)
                return await answer
        except TimeoutError:
            raise RealtimeError("timeout", f"no answer to {command} in {self._timing.request:g} s") from None
        finally:
            self._questions.close(message)

    async def _send(self, message: Message) -> None:
        """Send on a live line; on any other this does nothing."""
        line = self._connection.line
        if line is None:
            return
        answer = await line.send(message)
        if answer is not None:
            await self.heard(answer, line)

    async def _renew(self) -> None:
        """Hand a fresh token over on a WebSocket; exchange a stream; what polls takes it along by itself."""
        self._token.spoil()
        line = self._connection.line
        if line is None or line.name != "websocket":
            return self._connection.renew()
        try:
            await self._ask("Authenticate", {"token": await self._token.get()})
        except RealtimeError as error:
            logger.warning("the token could not be renewed: %s", error)

    async def _run(self) -> None:
        try:
            end = await self._connection.run()
        except Exception as error:
            logger.exception("the client failed")
            self._inbox.close(error)
            raise
        finally:
            self._questions.reject("stopped")
            self.changed(Status(state=State.STOPPED))
        self.changed(Status(state=State.STOPPED, code=end.code))
        self._inbox.close(_why(end))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _known(transports: Iterable[str]) -> tuple[str, ...]:
    names = tuple(transports)
    unknown = [name for name in names if name not in LINES]
    if unknown or not names:
        raise ValueError(f"unknown transports {unknown}: there are {', '.join(LINES)}")
    return names


def _why(end: LineEnded) -> RealtimeError:
    return RealtimeError("refused", f"{end.code}, {MEANINGS.get(end.code, 'unknown')} ({end})", close_code=end.code)
