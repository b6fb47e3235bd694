"""A refusal that comes as a close, read as the answer it stands for: not every server has one in HTTP for a handshake.

Both forms are the contract's, and one table says what each code means. So a test asks for the status, and on such a
server the client holds what it is told, the ``Error`` and the close code, against that table.
"""

from __future__ import annotations

import json

from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from realtime.protocol.errors import KINDS
from tests.clients import Frame, SocketClient

_open = SocketClient.open


async def open_or_raise(client: SocketClient) -> None:
    """Connect, and raise what a refusal in HTTP would: to take the place of ``SocketClient.open``."""
    await _open(client)
    if "refuse=close" in client.extra:
        return
    first = await client.receive()
    if first["type"] == "Error":
        raise await refused_by_close(client, first)

    async def again() -> Frame:
        del client.receive
        return first

    client.receive = again  # type: ignore[method-assign]


async def refused_by_close(client: SocketClient, error: Frame) -> InvalidStatus:
    """The refusal that a first frame ``Error`` and the close after it stand for; nothing else may come between."""
    before = len(client.frames)
    code = await client.close_code()
    kind = KINDS[error["data"]["code"]]
    assert code == kind.close_code
    assert len(client.frames) == before
    # A close has no header for it: the code itself says when to come again.
    waits = {} if kind.retry_after is None else {"Retry-After": str(kind.retry_after)}
    return InvalidStatus(Response(kind.http_status, "", Headers(waits), json.dumps(error["data"]).encode()))
