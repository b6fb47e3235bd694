"""What client and server say to each other, whatever line there is: what comes is taken in, what is asked is answered.

Separate from the client, which is what a program sees of it, and from the connection, which decides what line there is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from .connection import Connection
from .errors import NOT_ADMITTED, TOKEN_EXPIRED, LineEnded, RealtimeError
from .inbox import Inbox, Place, Reset
from .messages import REPLIES, Event, Message
from .questions import Questions
from .recent import Recent
from .renewal import Renewal
from .status import State, Status
from .subscriptions import Subscriptions
from .table import MEANINGS
from .timing import Timing
from .token import Token
from .transports import Line, Surroundings

logger = logging.getLogger("realtime_client")

REMEMBERED = 1000
"""How many events are known again."""


class Exchange:
    """Owns the connection. What has come waits in ``inbox``, which is closed when nothing more will.

    ``received`` is the cursor up to which everything was put there, ``topics`` what a new line is to name.
    """

    def __init__(
        self,
        *,
        topics: Iterable[str],
        cursor: str | None,
        token: Token,
        timing: Timing,
        on_status: Callable[[Status], None],
    ) -> None:
        self.received = cursor
        self.topics = Subscriptions(topics)
        self._questions = Questions()
        self.inbox = Inbox(lambda: bool(self._questions))
        self._seen, self._acked = Recent(REMEMBERED), Recent(REMEMBERED)
        self._token, self._timing, self._on_status = token, timing, on_status
        self._renewal = Renewal(lambda: self._spawn(self._renew()), timing)
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, transports: tuple[str, ...], surroundings: Surroundings) -> None:
        """Connect and stay connected, until stopped or refused."""
        self._connection = Connection(self, transports, surroundings)
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Close the line; what still waits is forgotten."""
        self.inbox.close(at_once=True)
        for task in {self._running, *self._tasks}:
            task.cancel()
        await asyncio.wait({self._running, *self._tasks})

    def wake(self) -> None:
        """Try now instead of later."""
        self._connection.wake()

    # --- what goes ----------------------------------------------------------------------------------

    async def ask(self, command: str, data: Message) -> dict[str, Any]:
        """Ask for a reply; what is asked while the line is down waits for the next one. Raises RealtimeError."""
        message, answer = self._questions.open(command, data)
        self.inbox.stir()
        try:
            async with asyncio.timeout(self._timing.request):
                await self._send(message)
                return await answer
        except TimeoutError:
            raise RealtimeError("timeout", f"no answer to {command} in {self._timing.request:g} s") from None
        finally:
            self._questions.close(message)

    async def subscribe(self, topic: str, after: int | None) -> dict[str, Any]:
        """Ask for a topic, on each line anew until it is granted. Raises RealtimeError, and then forgets it."""
        try:
            return await self.ask("Subscribe", self.topics.want(topic, after))
        except RealtimeError:
            self.topics.drop(topic)
            raise

    async def unsubscribe(self, topic: str) -> None:
        """Ask for a topic no more, and have no line name it."""
        was_named = self.topics.drop(topic)
        self._questions.reject("withdrawn", lambda message: message["data"].get("topic") == topic)
        await self._send({"command": "Unsubscribe", "data": {"topic": topic}})
        if was_named:
            self._connection.renew()

    async def ack(self, event_id: str) -> None:
        """Say that an event has been handled, and again by itself should it be given again."""
        self._acked.add(event_id)
        await self._send({"command": "Ack", "data": {"message_id": event_id}})

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
            await self.ask("Authenticate", {"token": await self._token.get()})
        except RealtimeError as error:
            logger.warning("the token could not be renewed: %s", error)

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
                await self.inbox.put(Reset(message))
                self.received = data.get("cursor", self.received)
            case kind if kind in REPLIES:
                self._reply(message, data)
            case _:
                await self._tell(message)

    def changed(self, status: Status) -> None:
        """Hear of the line's state."""
        logger.debug("%s %s %s", status.state, status.transport, status.code or "")
        if status.state != State.LIVE:
            self._renewal.cancel()
        self._on_status(status)

    def can_mend(self, code: int) -> bool:
        """Whether another token, or other topics, may be let in where these were not."""
        if code == TOKEN_EXPIRED:
            self._token.spoil()
            return self._token.used
        if code != NOT_ADMITTED or not self.topics.doubt():
            return False
        # Asked for one by one, the others come back without what was missed.
        self._spawn(self.inbox.put(Reset({"type": "Reset", "data": {"reason": "topics"}})))
        return True

    async def _connected(self, message: Message, data: Mapping[str, Any]) -> None:
        # With a cursor handed over, the missed events are still to come: only they may move it.
        if self.received is None:
            await self._move(data.get("cursor"))
        self._renewal.plan(data.get("expires_at"), message.get("timestamp"))
        unanswered = self._questions.unanswered
        asked = {question["data"].get("topic") for question in unanswered}
        for topic, after in list(self.topics.wanted.items()):
            if topic not in asked:
                self._spawn(self._subscribe_again(topic, after))
        for question in unanswered:
            self._spawn(self._send(question))

    async def _subscribe_again(self, topic: str, after: int | None) -> None:
        with suppress(RealtimeError):
            await self.subscribe(topic, after)

    def _reply(self, message: Message, data: Mapping[str, Any]) -> None:
        if message["type"] == "Authenticated":
            self._renewal.plan(data.get("expires_at"), message.get("timestamp"))
        if not self._questions.settle(message) and message["type"] == "Error":
            logger.warning("the server refused: %s %s", data.get("code"), data.get("message"))

    async def _tell(self, message: Message) -> None:
        event_id = message.get("id")
        if event_id is None or event_id not in self._seen:
            await self.inbox.put(Event.of(message))
        elif event_id in self._acked:
            self._spawn(self.ack(event_id))
        # Only now: a line that was given up meanwhile has not told it.
        if event_id is not None:
            self._seen.add(event_id)
        if self.topics.note(message):
            self._connection.renew()
        if message["type"] == "Subscribed":
            self._questions.settle(message)
            await self._move(message["data"].get("cursor"))
        elif message.get("seq") is not None:
            await self._move(message.get("cursor"))

    async def _move(self, cursor: str | None) -> None:
        if cursor:
            self.received = cursor
            await self.inbox.put(Place(cursor))

    async def _run(self) -> None:
        try:
            end = await self._connection.run()
        except Exception as error:
            logger.exception("the client failed")
            self.inbox.close(error)
            raise
        finally:
            self._questions.reject("stopped")
            self.changed(Status(state=State.STOPPED))
        self.changed(Status(state=State.STOPPED, code=end.code))
        self.inbox.close(_why(end))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _why(end: LineEnded) -> RealtimeError:
    return RealtimeError("refused", f"{end.code}, {MEANINGS.get(end.code, 'unknown')} ({end})", close_code=end.code)
