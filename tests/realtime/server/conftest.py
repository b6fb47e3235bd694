"""Both event loops, as their transports differ in what they do at once and what they put off; and settings."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

LoopFactories = dict[str, Callable[[], asyncio.AbstractEventLoop]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> LoopFactories:
    """Have each test of this room on each loop in turn."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def realtime(settings: Any) -> Callable[..., None]:
    """``realtime(CLOSE_TIMEOUT=1)`` changes settings of ``REALTIME`` for the test."""

    def change(**values: Any) -> None:
        settings.REALTIME = {**settings.REALTIME, **values}

    return change
