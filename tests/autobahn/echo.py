"""What the suite expects of a server: every message comes back as it came."""

from typing import Any


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve one client."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
