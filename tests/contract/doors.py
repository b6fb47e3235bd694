"""Every way in to a topic, knocked at alike: what was answered, byte for byte.

Apart from the clients, which want to get in: here a refusal is an answer like any other.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote

import httpx
import websockets
from websockets.exceptions import InvalidStatus

from realtime.protocol.errors import KINDS
from tests.clients import TIMEOUT, Frame, SocketClient

AT_ONCE = 8
OF_THE_REQUEST = {"date", "sec-websocket-accept"}  # the second answers the client's own key, a new one each time

Headers = tuple[tuple[str, str], ...]


class Answer(NamedTuple):
    """What came back. ``topics`` are those that were granted; of a refusal all is kept that could tell of a topic."""

    status: int
    topics: tuple[str, ...]
    headers: Headers = ()
    body: bytes = b""


Door = Callable[[str, str, str], Awaitable[Answer]]


async def gateway(url: str, token: str, topic: str) -> Answer:
    """``/ws?topics=``"""
    return await _handshake(f"{_ws(url)}/ws?{httpx.QueryParams(topics=topic, auto='0')}", token)


async def consumer(url: str, token: str, topic: str) -> Answer:
    """``/ws/<kind>/<key>``"""
    kind, _, key = topic.partition(":")
    return await _handshake(f"{_ws(url)}/ws/{quote(kind)}/{quote(key)}".rstrip("/"), token)


async def command(url: str, token: str, topic: str) -> Answer:
    """``Subscribe`` on a connection that has no topic yet; refused in a frame, which must leave it open."""
    async with SocketClient(url, token, topics=[]) as client:
        await client.next("Connected")
        await client.socket.send(json.dumps({"command": "Subscribe", "data": {"topic": topic}, "id": 1}))
        raw = await client.socket.recv()
        frame: Frame = json.loads(raw)
        assert (await client.ask("Ping"))["type"] == "Pong"
    if frame["type"] == "Subscribed":
        return Answer(101, (frame["data"]["topic"],))
    return Answer(403, (), (), raw if isinstance(raw, bytes) else raw.encode())


async def stream(url: str, token: str, topic: str) -> Answer:
    """``GET /api/v1/stream?topics=``"""
    parameters, headers = {"topics": topic, "auto": "0"}, {"Authorization": f"Bearer {token}"}
    async with (
        httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False) as http,
        http.stream("GET", "/api/v1/stream", params=parameters, headers=headers) as answer,
    ):
        if answer.status_code != 200:
            return Answer(answer.status_code, (), _kept(answer.headers.items()), await answer.aread())
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                return Answer(200, tuple(json.loads(line[6:])["data"]["topics"]))
    raise AssertionError("a stream that said nothing")


async def poll(url: str, token: str, topic: str) -> Answer:
    """``GET /api/v1/events?topics=``"""
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await http.get("/api/v1/events", params={"topics": topic, "auto": "0"}, headers=headers)
    if answer.status_code == 200:
        return Answer(200, (topic,))
    return Answer(answer.status_code, (), _kept(answer.headers.items()), answer.content)


DOORS: list[Door] = [gateway, consumer, command, stream, poll]


async def knock(door: Door, url: str, wishes: Iterable[tuple[str, str]]) -> list[Answer]:
    """Knock for each (token, topic), some at once; answers in the same order."""
    few = asyncio.Semaphore(AT_ONCE)

    async def one(token: str, topic: str) -> Answer:
        async with few, asyncio.timeout(TIMEOUT):
            return await door(url, token, topic)

    return await asyncio.gather(*(one(token, topic) for token, topic in wishes))


async def _handshake(address: str, token: str) -> Answer:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        socket = await websockets.connect(
            address, additional_headers=headers, open_timeout=TIMEOUT, ping_interval=None, proxy=None
        )
    except InvalidStatus as refused:
        answer = refused.response
        return Answer(answer.status_code, (), _kept(answer.headers.raw_items()), bytes(answer.body or b""))
    greeting = json.loads(raw := await socket.recv())
    if greeting["type"] == "Error":  # where the server has no answer with a body
        await socket.wait_closed()
        kind = KINDS[greeting["data"]["code"]]
        assert socket.close_code == kind.close_code
        return Answer(kind.http_status, (), (("close", str(socket.close_reason)),), str(raw).encode())
    with suppress(websockets.ConnectionClosed):
        await socket.close()
    return Answer(101, tuple(greeting["data"]["topics"]))


def _kept(headers: Iterable[tuple[str, str]]) -> Headers:
    return tuple(sorted((name.lower(), value) for name, value in headers if name.lower() not in OF_THE_REQUEST))


def _ws(url: str) -> str:
    return url.replace("http", "ws", 1)
