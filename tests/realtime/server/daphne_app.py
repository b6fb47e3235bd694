"""An application for Daphne that says everything twice: past ASGI and by it."""

import asyncio
from typing import Any

from realtime.protocol.websocket import text_frame
from realtime.server import daphne

daphne.install()
daphne.install()


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        return
    if scope["path"] == "/quiet":
        await receive()
        await send({"type": "websocket.accept"})
        print("heard", (await receive())["type"], flush=True)
        return
    wire = scope["extensions"]["realtime.wire"]
    wire.write(text_frame(b"nobody gets this"))
    states = [wire.closed]
    await receive()
    await send({"type": "websocket.accept"})
    states.append(wire.closed)
    for number in range(50):
        wire.write(text_frame(f"written {number}".encode()))
        await send({"type": "websocket.send", "text": f"sent {number}"})
        await asyncio.sleep(0)
    while not wire.unsent:
        wire.write(text_frame(b"x" * 1_000_000))
    drained = asyncio.Event()
    wire.drained(drained.set)
    await send({"type": "websocket.send", "text": "behind"})
    await drained.wait()
    await receive()
    await send({"type": "websocket.close", "code": 1012, "reason": "draining"})
    states.append(wire.closed)
    wire.write(text_frame(b"nobody gets this"))
    await receive()
    states += [wire.closed, wire.unsent]
    print("states", *states, flush=True)
