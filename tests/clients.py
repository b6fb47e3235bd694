"""Clients of the three transports with one face, for tests that run against the real server.

They keep what a real client keeps (the newest cursor) and hide nothing: every frame is in ``frames``.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx
import msgspec
import websockets
from httpx_sse import EventSource, ServerSentEvent
from rest_framework_simplejwt.tokens import AccessToken
from websockets.typing import Subprotocol

from tests.processes import holder_of

TIMEOUT = 30.0
NOT_EVENTS = {"Connected", "Ping", "Pong", "Subscribed", "Unsubscribed", "Reset", "Error", "Response", "Authenticated"}
MSGPACK = "realtime.v1.msgpack"

Frame = dict[str, Any]


def access_token(user: Any, lifetime: timedelta | None = None) -> str:
    """Return a token as a sign-in would give it. Touches no database."""
    token = AccessToken.for_user(user)
    token["sign_outs"] = user.sign_outs
    if lifetime is not None:
        token.set_exp(lifetime=lifetime)
    return str(token)


def is_event(frame: Frame) -> bool:
    """Whether the frame is an event of the log, and not an answer or a heartbeat."""
    return frame["type"] not in NOT_EVENTS and "seq" in frame


class Client(ABC):
    """One connection. ``cursor`` is the newest that was handed over; ``frames`` all that came.

    ``address`` is the one it comes from, where this machine has several.
    """

    name: str

    def __init__(
        self,
        url: str,
        token: str,
        *,
        cursor: str | None = None,
        topics: list[str] | None = None,
        address: str | None = None,
    ) -> None:
        self.url = url
        self.token = token
        self.cursor = cursor
        self.topics = topics
        self.address = address
        self.frames: list[Frame] = []

    @abstractmethod
    async def receive(self) -> Frame:
        """Wait for the next frame."""

    @abstractmethod
    async def open(self) -> None:
        """Connect."""

    @abstractmethod
    async def close(self) -> None:
        """Say goodbye and close the connection."""

    async def cut(self) -> None:
        """Break the connection off, without a word to the server."""
        await self.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def next(self, *types: str, timeout: float = TIMEOUT) -> Frame:
        """Return the next frame, of one of ``types`` if any are given; what else comes is only kept in ``frames``."""
        return await self.wait_for(lambda frame: not types or frame["type"] in types, timeout=timeout)

    async def wait_for(self, wanted: Callable[[Frame], bool], *, timeout: float = TIMEOUT) -> Frame:
        """Return the next frame that is wanted; what else comes is only kept in ``frames``."""
        async with asyncio.timeout(timeout):
            while True:
                frame = await self.receive()
                self.frames.append(frame)
                self._remember(frame)
                if wanted(frame):
                    return frame

    async def events(self, count: int, *, timeout: float = TIMEOUT) -> list[Frame]:
        """Return the next ``count`` events."""
        async with asyncio.timeout(timeout):
            return [await self.wait_for(is_event, timeout=timeout) for _ in range(count)]

    @property
    def received(self) -> list[Frame]:
        """Every event that came."""
        return [frame for frame in self.frames if is_event(frame)]

    def query(self) -> dict[str, str]:
        """Return the query of a connection that resumes."""
        query = {}
        if self.cursor is not None:
            query["cursor"] = self.cursor
        if self.topics is not None:
            query |= {"topics": ",".join(self.topics), "auto": "0"}
        return query

    def headers(self) -> dict[str, str]:
        """Return the credential, as a header."""
        return {"Authorization": f"Bearer {self.token}"}

    def http_client(self, *, timeout: float | None) -> httpx.AsyncClient:
        """Return a new client for HTTP, to be closed by the caller."""
        # Loading the certificates that nobody here shows would take longer than all the rest.
        transport = httpx.AsyncHTTPTransport(local_address=self.address, verify=False)
        return httpx.AsyncClient(base_url=self.url, timeout=timeout, transport=transport, trust_env=False)

    def _remember(self, frame: Frame) -> None:
        if frame["type"] == "Response":  # a snapshot's own place, behind which events may have come already
            return
        cursor = frame.get("cursor") or (frame.get("data") or {}).get("cursor")
        if cursor:
            self.cursor = cursor


class SocketClient(Client):
    """WebSocket. ``path`` is the gateway's or a consumer's; ``subprotocol`` may ask for MessagePack."""

    name = "websocket"

    def __init__(
        self, url: str, token: str, *, path: str = "/ws", subprotocol: str | None = None, extra: str = "", **place: Any
    ) -> None:
        super().__init__(url, token, **place)
        self.path = path
        self.subprotocol = subprotocol
        self.offers = [subprotocol] if subprotocol else []
        self.extra = extra  # more of the query

    async def open(self) -> None:
        query = urlencode(self.query()) + self.extra
        self.socket = await websockets.connect(
            f"{self.url.replace('http', 'ws', 1)}{self.path}?{query}",
            additional_headers=self.headers(),
            subprotocols=[Subprotocol(name) for name in self.offers] or None,
            max_size=None,
            max_queue=None,
            open_timeout=TIMEOUT,
            ping_interval=None,
            proxy=None,
            **({"local_addr": (self.address, 0)} if self.address else {}),
        )

    async def close(self) -> None:
        await self.socket.close()

    async def cut(self) -> None:
        self.socket.transport.abort()
        await self.socket.wait_closed()

    def server_process(self) -> int:
        """Return the id of the process at the other end."""
        return holder_of(self.socket.remote_address[1], self.socket.local_address[1])

    async def receive(self) -> Frame:
        raw = await self.socket.recv()
        frame: Frame = msgspec.msgpack.decode(raw) if isinstance(raw, bytes) else json.loads(raw)
        return frame

    async def send(self, command: str, data: Frame | None = None, *, id: str | int | None = None) -> None:
        """Send a command."""
        message: Frame = {"command": command}
        if data is not None:
            message["data"] = data
        if id is not None:
            message["id"] = id
        packed = self.subprotocol == MSGPACK
        await self.socket.send(msgspec.msgpack.encode(message) if packed else json.dumps(message))

    async def ask(self, command: str, data: Frame | None = None, *, id: str | int = "ask") -> Frame:
        """Send a command and return the frame that answers it."""
        await self.send(command, data, id=id)
        return await self.wait_for(lambda frame: frame.get("reply_to") == id)

    async def close_code(self) -> int:
        """Wait until the server has closed the connection; return its code."""
        with suppress(websockets.ConnectionClosed):
            while True:
                await self.next()
        assert self.socket.close_code is not None
        return self.socket.close_code


class StreamClient(Client):
    """Server-sent events. ``chunks`` holds each as it came, with its id and event lines."""

    name = "sse"

    async def open(self) -> None:
        self.chunks: list[ServerSentEvent] = []
        self.stack = AsyncExitStack()
        http = await self.stack.enter_async_context(self.http_client(timeout=None))
        stream = http.stream("GET", "/api/v1/stream", params=self.query(), headers=self.headers())
        response = await self.stack.enter_async_context(stream)
        if response.status_code != 200:
            await response.aread()
            await self.stack.aclose()
            response.raise_for_status()
        self.source = self._frames(response)
        self.stack.push_async_callback(self.source.aclose)

    async def close(self) -> None:
        await self.stack.aclose()

    async def _frames(self, response: httpx.Response) -> AsyncGenerator[Frame]:
        async for event in EventSource(response).aiter_sse():
            self.chunks.append(event)
            if not event.data:  # a comment, retry: or an id line that keeps the cursor fresh
                self.cursor = event.id or self.cursor
                continue
            frame = json.loads(event.data)
            yield frame if "type" in frame else {"type": event.event, "data": frame}

    async def receive(self) -> Frame:
        return await anext(self.source)


class PollClient(Client):
    """Polling: asks again at once while events come, and briefly later when none do."""

    name = "polling"
    pause = 0.05
    limit: int | None = None

    async def open(self) -> None:
        self.http = self.http_client(timeout=TIMEOUT)
        self.waiting: list[Frame] = []
        if self.cursor is not None:
            return
        try:
            await self.poll()
        except httpx.HTTPStatusError:
            await self.close()
            raise

    async def close(self) -> None:
        await self.http.aclose()

    async def receive(self) -> Frame:
        while not self.waiting:
            await self.poll()
            if not self.waiting:
                await asyncio.sleep(self.pause)
        frame = self.waiting.pop(0)
        if not self.waiting:  # what is given again brings no cursor of its own
            self.cursor = self.place
        return frame

    async def poll(self) -> Frame:
        """Ask once; return the answer as it came."""
        query = self.query() | ({"limit": str(self.limit)} if self.limit else {})
        answer = await self.http.get("/api/v1/events", params=query, headers=self.headers())
        answer.raise_for_status()
        body: Frame = answer.json()
        self.waiting += [*body["reset"], *body.get("revoked", []), *body.get("gained", []), *body["events"]]
        self.place = body["cursor"]
        if not self.waiting:  # else each brings its own: what is not yet received is kept
            self.cursor = self.place
        return body


TRANSPORTS: list[type[Client]] = [SocketClient, StreamClient, PollClient]
