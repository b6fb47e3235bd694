"""The line over a WebSocket."""

from __future__ import annotations

import json
from contextlib import suppress
from urllib.parse import urlencode

import websockets

from ..errors import ABNORMAL, LineEnded, refusal
from ..http import code_in, seconds_in
from ..messages import Message, parse
from .line import Line

LARGEST_FRAME = 4 * 1024 * 1024
MOST_WAITING = 256
"""Frames that are read ahead; beyond them the server is not read any more, and notices."""
CLOSING_TIMEOUT = 2.0


class SocketLine(Line):
    """Carries the token in a header. The server's heartbeat is answered here."""

    name = "websocket"
    _socket: websockets.ClientConnection | None = None

    async def open(self) -> None:
        """Connect, or raise what the refusal of the upgrade said."""
        around = self._around
        glue = "&" if "?" in around.socket_url else "?"
        try:
            self._socket = await websockets.connect(
                f"{around.socket_url}{glue}{urlencode(around.query(around.cursor()))}",
                additional_headers=await around.http.headers(),
                ping_interval=None,  # the heartbeat is the protocol's own
                open_timeout=None,  # the connection sees to that
                close_timeout=CLOSING_TIMEOUT,
                max_size=LARGEST_FRAME,
                max_queue=MOST_WAITING,
                proxy=True if around.trust_env else None,
            )
        except websockets.InvalidStatus as error:
            answer = error.response
            wait = seconds_in(answer.headers.get("Retry-After"))
            raise refusal(code_in(bytes(answer.body or b"")), answer.status_code, wait) from error
        except (OSError, websockets.WebSocketException) as error:
            raise LineEnded(reason=f"{type(error).__name__}: {error}") from error

    async def receive(self) -> Message:
        """Wait for the next message that can be read."""
        assert self._socket is not None
        while True:
            try:
                message = parse(await self._socket.recv())
            except websockets.ConnectionClosed as error:
                received = error.rcvd
                raise LineEnded(received.code if received else ABNORMAL, reason=str(error)) from error
            if message is None:
                continue
            if message["type"] == "Ping":
                await self.send({"command": "Pong"})
            return message

    async def send(self, command: Message) -> None:
        """Send a command. On a line that is gone this does nothing: ``receive`` says so."""
        assert self._socket is not None
        with suppress(websockets.ConnectionClosed):
            await self._socket.send(json.dumps(command))

    async def close(self) -> None:
        """Say goodbye and close."""
        if self._socket is not None:
            await self._socket.close()
