"""Something between two ends of a TCP connection that can be slow, stand still, or cut it.

Knows nothing of what goes through it, unlike the browser tests' proxy, which knows HTTP.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

Upstream = tuple[str, int] | Path
AT_ONCE = 64 * 1024
ENDS_WITHIN = 10.0


class TcpProxy:
    """Listens on ``port`` of the loopback and passes on to ``upstream``. Any thread may use it.

    ``source`` gives the address of each connection to the upstream, where that should see different ones.
    """

    delay = 0.0  # seconds that everything takes longer, in either direction

    def __init__(self, upstream: Upstream, source: Callable[[int], str] | None = None) -> None:
        self._upstream = upstream
        self._source = source
        self._count = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._is_closed = False
        self.port = 0

    def stand_still(self) -> None:
        """Take what comes and pass nothing on: neither end hears of it."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def refuse(self) -> None:
        """Reset every connection, and each new one as soon as it is there."""
        self._is_closed = True
        self.cut()

    def go_on(self) -> None:
        """Pass on what was held back, and all that comes."""
        self._is_closed = False
        self._loop.call_soon_threadsafe(self._flows.set)

    def cut(self) -> None:
        """Reset every connection, at both ends."""
        self._loop.call_soon_threadsafe(self._cut)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        ends = [writer]
        try:
            if self._is_closed:
                raise ConnectionResetError
            up_reader, up_writer = await self._connect()
            ends.append(up_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, up_writer))
                group.create_task(self._pump(up_reader, writer))
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            for end in ends:
                _reset(end)
        finally:
            self._connections.discard(task)
            for end in ends:
                end.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, Path):
            return await asyncio.open_unix_connection(self._upstream)
        self._count += 1
        source = None if self._source is None else (self._source(self._count), 0)
        return await asyncio.open_connection(*self._upstream, local_addr=source)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(AT_ONCE):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._flows.wait()
            writer.write(part)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    def _cut(self) -> None:
        for task in self._connections:
            task.cancel()

    async def _start(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        self._cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(ENDS_WITHIN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(ENDS_WITHIN)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ENDS_WITHIN)
        self._loop.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close without a goodbye, as a firewall does."""
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
