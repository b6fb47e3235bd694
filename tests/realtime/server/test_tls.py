"""Under TLS everything goes through the transport: no byte reaches the client past its encryption."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from realtime.protocol.websocket import text_frame
from tests.certificates import certify
from tests.realtime.server.harness import close, frame, serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate that it signed itself."""
    return certify(tmp_path_factory.mktemp("tls") / "server.pem")


async def test_everything_works_under_tls(certificate: Path) -> None:
    schemes: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        schemes.append(scope["scheme"])
        wire = scope["extensions"]["realtime.wire"]
        await receive()
        await send({"type": "websocket.accept"})
        wire.write(text_frame(b"written"))
        await send({"type": "websocket.send", "text": "sent"})
        wire.write(text_frame(b"x" * 3_000_000))
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})

    async with serving(app, ssl_certfile=str(certificate)) as server:
        client = await server.open(tls=ssl.create_default_context(cafile=certificate))
        assert [await client.text() for _ in range(3)] == ["written", "sent", "x" * 3_000_000]
        client.send(frame("y" * 70_000))
        assert await client.text() == "y" * 70_000
        client.send(frame(b"", opcode=0))

        assert await client.closed() == (1002, "there is no message to continue")
        client.abort()
        await asyncio.sleep(0)
    assert schemes == ["wss"]


async def test_a_client_that_closes_under_tls_is_answered(certificate: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    async with serving(app, ssl_certfile=str(certificate)) as server:
        client = await server.open(tls=ssl.create_default_context(cafile=certificate))
        client.send(close(1001))

        assert await client.closed() == (1001, "")
        assert await client.rest() == b""
