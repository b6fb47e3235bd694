"""Clients that take down all that comes, come back with their newest cursor whatever ends them, and forget nothing.

Each stays on one transport, or hops between all of them. They do what the protocol asks of a client, and no more.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import httpx
import websockets

from realtime.protocol.cursor import Cursor
from tests.clients import TRANSPORTS, Client, Frame, PollClient, SocketClient, is_event
from tests.faults import history
from tests.faults.history import Chapter, End, Heard
from tests.faults.world import PASSWORD, World

SILENCE = 45.0  # seconds without a word after which a client thinks that nobody is there
OPEN_WITHIN = 20.0
LONGEST_PAUSE = 1.5
POLL_EVERY = 1.0
STAY = (0.3, 4.0)  # seconds that a hopping client is content with one transport
UNAUTHORIZED = "HTTP 401"


class Keys:
    """The tokens of everybody, made anew by signing in when one is refused."""

    def __init__(self, url: str, world: World) -> None:
        self.tokens = dict(world.tokens)
        self._url = url
        self._lock = asyncio.Lock()

    async def renew(self, who: str, refused: str) -> None:
        """Sign in, unless somebody else has meanwhile. What comes of it, the next try shows."""
        async with self._lock:
            if self.tokens[who] != refused:
                return
            with suppress(httpx.HTTPError):
                async with httpx.AsyncClient(timeout=OPEN_WITHIN, trust_env=False, verify=False) as http:
                    body = {"username": who, "password": PASSWORD}
                    answer = await http.post(f"{self._url}/api/v1/auth/token", json=body)
                    if answer.is_success:
                        self.tokens[who] = answer.json()["access"]


class Listener:
    """One client. ``record`` is what it has to say in the end."""

    def __init__(
        self,
        record: history.Client,
        who: str,
        url: str,
        keys: Keys,
        kinds: Sequence[type[Client]],
        address: str | None,
        seed: int,
    ) -> None:
        self.record = record
        self.is_connected = asyncio.Event()
        self.newest: dict[str, int] = {}  # seq of each topic
        self.marks: set[str] = set()
        self.who = who
        self._url = url
        self._keys = keys
        self._kinds = kinds
        self._address = address
        self._chance = random.Random(seed)
        self._cursor: str | None = None
        self._known: set[str] = set()  # topics whose count it has
        self._unplaced: dict[str, list[Heard]] = {}  # replayed for a topic that is not said to be there yet
        self._failures = 0
        self._heard_at = 0.0

    async def listen(self) -> None:
        """Connect again and again, until cancelled."""
        while True:
            kind = self._chance.choice(self._kinds)
            how = await self._stay(kind)
            if how is None:
                continue
            self.record.ends.append(End(time.monotonic(), kind.name, how, self._heard_at))
            self._failures += 1
            pause = min(LONGEST_PAUSE, 0.1 * 2**self._failures)
            await asyncio.sleep(self._chance.uniform(pause / 2, pause))

    async def _stay(self, kind: type[Client]) -> str | None:
        """Be connected once; return how that ended, None if it was the client's own wish."""
        token = self._keys.tokens[self.who]
        named = None if self.record.named is None else list(self.record.named)
        client = kind(self._url, token, cursor=self._cursor, topics=named, address=self._address)
        if isinstance(client, PollClient):
            client.pause = POLL_EVERY
        longest = self._chance.uniform(*STAY) if len(self._kinds) > 1 else None
        how: str | None = None
        self._heard_at = time.monotonic()
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                await client.open()
            await self._hear(client, longest)
        except Exception as error:
            how = how_it_ended(error)
            if how in (UNAUTHORIZED, "4401"):
                await self._keys.renew(self.who, token)
        finally:
            self._unplaced.clear()
            with suppress(Exception):
                async with asyncio.timeout(1):
                    await (client.cut() if self._chance.random() < 0.7 else client.close())
        return how

    async def _hear(self, client: Client, longest: float | None) -> None:
        until = None if longest is None else time.monotonic() + longest
        if isinstance(client, PollClient):
            self._place(client.cursor)
        while until is None or time.monotonic() < until:
            left = SILENCE if until is None else min(SILENCE, until - time.monotonic())
            try:
                frame = await client.wait_for(lambda _: True, timeout=max(0.01, left))
            except TimeoutError:
                if left < SILENCE:
                    return
                raise
            client.frames.clear()
            self._failures, self._heard_at = 0, time.monotonic()
            if frame["type"] == "Ping" and isinstance(client, SocketClient):
                await client.send("Pong")
            self._take(frame)
            self._cursor = client.cursor or self._cursor

    def _take(self, frame: Frame) -> None:
        data = frame.get("data") or {}
        if is_event(frame):
            self._event(frame)
            return
        match frame["type"]:
            case "Connected":
                self._greeted(data)
            case "Subscribed":
                self._joined(data["topic"])
            case "Unsubscribed":
                self._known.discard(data["topic"])
                self._unplaced.pop(data["topic"], None)
            case "Reset":
                self._reset(data)
            case "Close":
                raise Closed(data["code"])
            case "Error":
                self.record.errors.append(f"{data['code']}: {data['message']}")

    def _event(self, frame: Frame) -> None:
        topic, cursor = frame["topic"], frame.get("cursor")
        inner = frame["data"].get("data") if frame["type"] == "TransactionUpdate" else None
        mark, action = (inner["description"], frame["data"]["action"]) if inner else ("", "")
        position = Cursor.parse(cursor).position if cursor else None
        heard = Heard(time.monotonic(), topic, frame["seq"], frame["id"], position, mark, action)
        if position is None:
            self._unplaced.setdefault(topic, []).append(heard)
            return
        self._know(topic, heard.seq - 1)
        self._keep(heard)

    def _keep(self, heard: Heard) -> None:
        self.record.chapters[-1].heard.append(heard)
        self.newest[heard.topic] = heard.seq
        self.marks.add(heard.mark)

    def _greeted(self, data: Frame) -> None:
        self._place(data["cursor"])
        for topic, seq in data["topics"].items():
            self._know(topic, seq)

    def _joined(self, topic: str) -> None:
        """A replay without places counts once it is said to be whole."""
        self._known.add(topic)
        for heard in self._unplaced.pop(topic, []):
            self._keep(heard)

    def _know(self, topic: str, seq: int) -> None:
        """Of a topic that is new, take what was said up to here as a snapshot."""
        if topic not in self._known:
            self._known.add(topic)
            self.record.chapters[-1].snapshots[topic] = seq

    def _reset(self, data: Frame) -> None:
        self.record.resets.append((time.monotonic(), data["reason"]))
        chapter = Chapter(Cursor.parse(data["cursor"]).position)
        if self.record.chapters and not self.record.chapters[-1].heard and len(self.record.resets) > 1:
            self.record.chapters[-1] = chapter
        else:
            self.record.chapters.append(chapter)
        self.newest.clear()
        self._known = set(data["topics"])
        self._unplaced.clear()

    def _place(self, cursor: str | None) -> None:
        """Begin where the first answer says."""
        self.is_connected.set()
        if not self.record.chapters:
            assert cursor is not None
            self.record.chapters.append(Chapter(Cursor.parse(cursor).position))
            self._cursor = cursor


class Closed(Exception):
    """A stream was ended with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def how_it_ended(error: Exception) -> str:
    """A close code, an HTTP status, or a word for what has none."""
    match error:
        case Closed():
            return str(error.code)
        case websockets.ConnectionClosed():
            return "cut" if error.rcvd is None else str(error.rcvd.code)
        case websockets.InvalidStatus():
            return f"HTTP {error.response.status_code}"
        case httpx.HTTPStatusError():
            return f"HTTP {error.response.status_code}"
        case _ if any(isinstance(each, ConnectionRefusedError) for each in _causes(error)):
            return "refused"
        case TimeoutError() | httpx.TimeoutException():
            return "silent"
        case OSError() | StopAsyncIteration() | httpx.TransportError() | websockets.WebSocketException() | EOFError():
            return "cut"
    return f"{type(error).__name__}: {error}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and all that it came of."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__


def kinds_for(number: int) -> Sequence[type[Client]]:
    """What client of this number connects by: mostly WebSockets, some streams and polls, some of each in turn."""
    socket, stream, poll = TRANSPORTS
    return [[socket], [stream], [socket], [poll], [socket], TRANSPORTS, [stream]][number % 7]
