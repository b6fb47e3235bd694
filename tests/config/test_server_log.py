"""What the server says while it serves: nothing, where nothing is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import websockets

from tests.live import LiveServer

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_refused_socket_is_no_error_of_the_server(live_servers: Callable[..., LiveServer]) -> None:
    server = live_servers()

    async def refused() -> int:
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await websockets.connect(f"{server.ws_url}/ws")
        return refusal.value.response.status_code

    assert asyncio.run(refused()) == 401

    server.stop()
    assert "ERROR" not in server.log()
