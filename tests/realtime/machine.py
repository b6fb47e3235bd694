"""Two processes with a desk each, which hear each other, beat when the test says so, and do nothing by the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from pytest_django import Settings

from accounts.models import Family
from realtime import log
from realtime.desk import words
from realtime.hub import Hub
from realtime.relay import relay
from realtime.threads import run_db
from tests.realtime.recorder import standing

CLOCK = {"TICK": 3600.0, "HEARTBEAT_INTERVAL": 3600.0, "FIGURES_INTERVAL": 3600.0, "NEWS_INTERVAL": 3600.0}


class Machine:
    """Processes that hear each other. ``said`` counts the words of each sort."""

    def __init__(self, hubs: list[Hub]) -> None:
        self.hubs = hubs
        self.deaf: set[int] = set()
        self.said: list[str] = []

    def tell(self, message: Any) -> None:
        if message["type"] != words.MESSAGE_TYPE:
            return
        self.said.append(type(words.decode(message["word"])).__name__)
        for number, hub in enumerate(self.hubs):
            if number not in self.deaf:
                hub._hear(message)

    def beat(self) -> None:
        for hub in self.hubs:
            hub.desk._next = 0.0
            hub.desk.beat()


@pytest_asyncio.fixture
async def machine(
    sleeping_relay: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, family: Family
) -> AsyncIterator[Machine]:
    """Two processes. The test sequences and announces by itself."""
    settings.REALTIME = {**settings.REALTIME, **CLOCK}
    while await run_db(log.sequence):
        pass
    async with AsyncExitStack() as stack:
        machine = Machine([await stack.enter_async_context(standing(Hub())) for _ in range(2)])
        monkeypatch.setattr(relay, "tell", machine.tell)
        yield machine
