"""A real uvicorn in the test's own event loop, and a client that sends any bytes.

Separate from the tests so that each says what happens on the wire and nothing of how it gets there.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import uvicorn
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from config.launch.server import listen
from realtime.server.websocket import WebSocketProtocol

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
PATIENCE = 20.0  # seconds after which a test says what it waits for

App = Callable[[Any, Any, Any], Awaitable[None]]


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until the condition holds."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"never happened: {what}") from None


class Serving:
    """One server and its port."""

    def __init__(self, app: App, **options: Any) -> None:
        options = {"ws": WebSocketProtocol, "http": "httptools", "ws_ping_interval": None, **options}
        self.config = uvicorn.Config(app, lifespan="off", log_config=None, **options)
        self.server = uvicorn.Server(self.config)
        self._listener = listen("127.0.0.1", 0)
        self.port: int = self._listener.getsockname()[1]
        self._clients: list[Client] = []

    async def start(self) -> None:
        self._task = asyncio.create_task(self.server._serve([self._listener]))
        await until(lambda: self.server.started, "the server's start")

    async def stop(self) -> None:
        """Stop as SIGTERM does."""
        self.server.should_exit = True
        await self._task

    async def close(self) -> None:
        """Have all clients leave, and stop."""
        for client in self._clients:
            client.transport.abort()
        await self.stop()

    @property
    def connections(self) -> set[Any]:
        return self.server.server_state.connections

    async def client(self, **options: Any) -> Client:
        """A connection on which nothing has been said."""
        client = await Client.connect(self.port, **options)
        self._clients.append(client)
        return client

    async def open(self, path: str = "/", *headers: bytes, **options: Any) -> Client:
        """A WebSocket."""
        client = await self.client(**options)
        client.send(request(path, *headers))
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        return client


@asynccontextmanager
async def serving(app: App, **options: Any) -> AsyncIterator[Serving]:
    """Serve the application while the block runs."""
    server = Serving(app, **{"timeout_graceful_shutdown": 2, **options})
    await server.start()
    try:
        yield server
    finally:
        await server.close()


def request(path: str = "/", *headers: bytes) -> bytes:
    """A handshake."""
    lines = [
        f"GET {path} HTTP/1.1".encode(),
        b"Host: example.org",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: " + KEY,
        b"Sec-WebSocket-Version: 13",
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def frame(payload: str | bytes, *, opcode: int | None = None, fin: bool = True) -> bytes:
    """One frame as a client sends it."""
    data = payload.encode() if isinstance(payload, str) else payload
    kind = opcode if opcode is not None else (1 if isinstance(payload, str) else 2)
    return Frame(Opcode(kind), data, fin).serialize(mask=True)


def close(code: int, reason: str = "") -> bytes:
    """A close as a client sends it."""
    return frame(code.to_bytes(2, "big") + reason.encode(), opcode=8)


class Client:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, *, tls: ssl.SSLContext | None = None, buffer: int = 0) -> Self:
        """Connect; ``buffer`` makes the kernel's buffer of this side small."""
        plain = socket.socket()
        if buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
        name = {"server_hostname": "localhost"} if tls else {}
        reader, writer = await asyncio.open_connection(sock=plain, ssl=tls, limit=65536, **name)
        return cls(reader, writer)

    @property
    def transport(self) -> asyncio.Transport:
        return self.writer.transport  # type: ignore[return-value]

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        """The head of an HTTP answer."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload."""
        async with asyncio.timeout(PATIENCE):
            first, size = await self.reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            assert first & 0x80
            return first & 0x0F, await self.reader.readexactly(size)

    async def text(self) -> str:
        """The next frame, a text."""
        opcode, payload = await self.frame()
        assert opcode == 1, (opcode, payload)
        return payload.decode()

    async def closed(self) -> tuple[int, str]:
        """The next frame, a close: code and reason."""
        opcode, payload = await self.frame()
        assert opcode == 8, (opcode, payload)
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    def abort(self) -> None:
        """Leave without a word: the server gets a reset."""
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def frames_in(data: bytes) -> list[Frame]:
    """The frames that a server sent, read by another implementation."""
    stream, frames = StreamReader(), []
    stream.feed_data(data)
    while stream.buffer:
        parsing = Frame.parse(stream.read_exact, mask=False)
        try:
            next(parsing)
        except StopIteration as done:
            frames.append(done.value)
    return frames
