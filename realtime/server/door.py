"""Where each connection comes in: ``http=Door``. Its first bytes say whether HTTP or WebSocket serves it.

Separate from both because most of what uvicorn prepares for HTTP would be thrown away for a WebSocket, and its request
read twice: with ten thousand that come at once, that is half of what a handshake costs.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from realtime.server.http import HttpProtocol
from realtime.server.limits import limits

_UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*websocket[ \t]*\r\n", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\nconnection:(?:[^\r\n]*,)?[ \t]*upgrade[ \t]*(?:,[^\r\n]*)?\r\n", re.IGNORECASE)


class Door(asyncio.Protocol):
    """A connection of which nothing is known yet. What asks for no WebSocket in its first bytes is uvicorn's."""

    __slots__ = ("_app_state", "_config", "_loop", "_patience", "_server", "_transport")

    _transport: asyncio.Transport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._server = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for what the client says, and not for ever."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._patience = self._loop.call_later(limits().UNAUTHENTICATED_SECONDS, self._transport.close)

    def data_received(self, data: bytes) -> None:
        """Hand the connection over, with what has come."""
        self._leave()
        asks_for_websocket = self._config.ws_protocol_class is not None and _is_handshake(data)
        serves: Any = self._config.ws_protocol_class if asks_for_websocket else HttpProtocol
        protocol = serves(config=self._config, server_state=self._server, app_state=self._app_state, _loop=self._loop)
        protocol.connection_made(self._transport)
        self._transport.set_protocol(protocol)
        protocol.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client that has left without a word."""
        self._leave()

    def shutdown(self) -> None:
        """Close: the server ends, and nobody has asked for anything."""
        self._transport.close()

    def _leave(self) -> None:
        self._patience.cancel()
        self._connections.discard(self)

    @property
    def _connections(self) -> set[Any]:
        return cast("set[Any]", self._server.connections)  # typed for uvicorn's own classes


def _is_handshake(data: bytes) -> bool:
    """Whether this is the whole of a request for a WebSocket; of one that comes in pieces, HTTP gathers them."""
    end = data.find(b"\r\n\r\n") + 2
    if end < 2 or not data.startswith(b"GET "):
        return False
    return _UPGRADE.search(data, 0, end) is not None and _CONNECTION.search(data, 0, end) is not None
