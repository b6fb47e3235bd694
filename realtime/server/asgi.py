"""ASGI's dictionaries: the scope of a connection, and the messages about it.

Separate so that what every connection shares is made once: ten thousand scopes are most of what they cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from realtime.protocol.websocket import binary_frame, text_frame
from realtime.server.handshake import Request

SPEC_VERSION = "2.5"
LOCAL_ADDRESSES = 64  # how many are kept for connections to share

Message = Mapping[str, Any]
Address = tuple[str, int | None] | None


def scope_of(
    request: Request,
    transport: asyncio.Transport,
    config: Config,
    app_state: dict[str, Any],
    extensions: dict[str, Any],
) -> dict[str, Any]:
    """Return the scope of one connection."""
    root_path = config.root_path
    client, server = _ends(transport)
    scope = {
        "type": "websocket",
        "asgi": _asgi(config.asgi_version),
        "http_version": "1.1",
        "scheme": "wss" if is_ssl(transport) else "ws",
        "server": server,
        "client": client,
        "root_path": root_path,
        "path": root_path + request.path,
        "raw_path": root_path.encode("ascii") + request.raw_path,
        "query_string": request.query,
        "headers": request.headers,
        "subprotocols": request.subprotocols,
        "extensions": extensions,
    }
    if app_state:
        scope["state"] = app_state.copy()
    return scope


def disconnected(code: int, reason: str) -> Message:
    """Return the last message that an application gets."""
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


def framed(message: Message) -> bytes:
    """Return the frame of a ``websocket.send``. Raises RuntimeError when it holds nothing to send."""
    text = message.get("text")
    if text is not None:
        return text_frame(text.encode())
    data = message.get("bytes")
    if data is None:
        raise RuntimeError("websocket.send has neither text nor bytes")
    return binary_frame(data)


@lru_cache(maxsize=2)
def _asgi(version: str) -> dict[str, str]:
    return {"version": version, "spec_version": SPEC_VERSION}


def _ends(transport: asyncio.Transport) -> tuple[Address, Address]:
    """Who is at the other end, and at this one.

    Asked of the transport, where uvicorn asks its socket: uvloop's would keep both for as long as the connection lasts.
    """
    client, server = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if isinstance(client, tuple) and isinstance(server, tuple):
        return client[:2], _shared(server[:2])
    return get_remote_addr(transport), _shared(get_local_addr(transport))


@lru_cache(maxsize=LOCAL_ADDRESSES)
def _shared(address: Address) -> Address:
    return address
