"""Nothing that a proxy might read otherwise is served; no second request comes out of a first, no line of a value."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.abuse.smuggled import AMBIGUOUS, HANDSHAKES
from tests.clients import TIMEOUT, access_token
from tests.contract.world import World, make_world
from tests.live import LiveServer


@pytest.fixture(scope="module")
def world(db: None) -> World:
    """One for all: nothing of it changes here."""
    return make_world()


async def answered(server: LiveServer, request: bytes) -> bytes:
    """All that comes back for these bytes until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(request)
        async with asyncio.timeout(TIMEOUT):
            return await reader.read()
    finally:
        writer.close()


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"^HTTP/1\.1 (\d{3})", answer, re.MULTILINE)]


@pytest.mark.parametrize("how", AMBIGUOUS)
async def test_an_ambiguous_request_is_refused_once_and_ends_its_connection(server: LiveServer, how: str) -> None:
    answer = await answered(server, AMBIGUOUS[how])

    assert statuses(answer) == [400]
    assert b'"status"' not in answer  # the hidden one's


@pytest.mark.parametrize("how", HANDSHAKES)
async def test_an_ambiguous_handshake_opens_nothing(server: LiveServer, world: World, how: str) -> None:
    lines = [
        b"GET /ws HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
        b"Authorization: Bearer " + access_token(world.alice).encode(),
        HANDSHAKES[how],
    ]

    answer = await answered(server, b"\r\n".join(lines) + b"\r\n\r\n")

    assert statuses(answer) == [400]


@pytest.mark.parametrize("path", ["/ws", "/api/v1/stream", "/api/v1/events", "/healthz", "/", "/admin/"])
@pytest.mark.parametrize("place", ["query", "path", "origin"])
async def test_no_line_end_in_a_request_comes_back_as_one(
    server: LiveServer, world: World, path: str, place: str
) -> None:
    """Percent-encoded they are taken, and only they: in none of the answer's headers do they end a line."""
    injected = "%0d%0aSet-Cookie:%20stolen=1%0d%0a%0d%0a<script>"
    target = {"query": f"{path}?cursor={injected}&next={injected}", "path": f"{path}{injected}"}.get(place, path)
    origin = f"https://x{injected}" if place == "origin" else "https://example.org"
    lines = [
        f"GET {target} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Origin: {origin}",
        f"Authorization: Bearer {access_token(world.alice)}",
        "Connection: close",
    ]

    answer = await answered(server, "\r\n".join([*lines, "", ""]).encode())

    head, _, body = answer.partition(b"\r\n\r\n")
    assert len(statuses(answer)) == 1
    assert b"\r\nset-cookie: stolen" not in head.lower()
    assert b"<script>" not in head
    assert statuses(answer)[0] < 500
    if b"text/html" in head:
        assert b"\r\n\r\n<script>" not in body
