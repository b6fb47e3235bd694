"""One server, of one worker, for all who abuse it; what it prints is read in the end."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.contract.conftest import contract_server, db, start_server, transport, world
from tests.live import LiveServer

FAILURE = re.compile(r"\S+ \S+ (?:ERROR|CRITICAL) ")

__all__ = ["db", "start_server", "transport", "world"]


@pytest.fixture(scope="package")
def server(db: None) -> Iterator[LiveServer]:
    """The server, which logs each request. It must not have failed, whatever was done to it."""
    with contract_server(options=["--access-log"], environment={"LOG_LEVEL": "INFO"}) as running:
        yield running
        failures = [line for line in running.log().splitlines() if FAILURE.match(line)]
        assert failures == []
