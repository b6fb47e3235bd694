"""What may stand between a browser and the server: a proxy that refuses upgrades, or holds streams back, or hangs up.

Separate because it is a program of its own: it runs in a thread, and may be told otherwise while it runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Self

STREAM = b"/api/v1/stream"
POLL = b"/api/v1/events"
BUFFER = 64 * 1024
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\nConnection: close\r\n\r\nForbidden"


class Proxy:
    """Passes on what comes to ``url`` to a port of this machine. Use as a context manager."""

    refuses_upgrades = False
    refuses_streams = False
    buffers_streams = False

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: dict[asyncio.Task[None], str] = {}
        self.asked: Counter[str] = Counter()
        self.url = ""

    def cut(self) -> None:
        """Hang up on everyone, without a word."""
        self._loop.call_soon_threadsafe(self._cut)

    def open(self, kind: str) -> int:
        """How many connections of that kind are open: ``websocket``, ``stream``, ``poll``, ``other``."""
        return list(self._connections.values()).count(kind)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = "other"
        try:
            await self._pass_on(task, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            del self._connections[task]
            if task.cancelling():
                writer.transport.abort()
            writer.close()

    async def _pass_on(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        kind = _kind(head)
        self._connections[task] = kind
        self.asked[kind] += 1
        if (kind == "websocket" and self.refuses_upgrades) or (kind == "stream" and self.refuses_streams):
            writer.write(REFUSED)
            await writer.drain()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            # One request each, so that what comes back is what this request asked for.
            up_writer.write(head if kind == "websocket" else _closing(head))
            is_held = kind == "stream" and self.buffers_streams
            up = asyncio.create_task(_pump(reader, up_writer, 1))
            down = asyncio.create_task(_pump(up_reader, writer, BUFFER if is_held else 1))
            try:
                await asyncio.wait([down, up], return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        finally:
            up_writer.close()

    def _cut(self) -> None:
        for task in self._connections:
            task.cancel()

    async def _end(self) -> None:
        self._server.close()
        self._cut()
        while self._connections:
            await asyncio.sleep(0)
        # What was closed is closed in the next turns of the loop.
        await asyncio.sleep(0.1)

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(timeout=10)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, least: int) -> None:
    """Pass bytes on as soon as there are ``least`` of them, and the rest at the end."""
    held = b""
    with suppress(OSError):
        while part := await reader.read(65536):
            held += part
            if len(held) >= least:
                writer.write(held)
                held = b""
                await writer.drain()
        writer.write(held)
        await writer.drain()


def _kind(head: bytes) -> str:
    path = head.split(b" ")[1].split(b"?")[0]
    if b"upgrade: websocket" in head.lower():
        return "websocket"
    return {STREAM: "stream", POLL: "poll"}.get(path, "other")


def _closing(head: bytes) -> bytes:
    lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n"
