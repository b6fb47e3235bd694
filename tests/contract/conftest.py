"""What the contract is held against: a server that lives as long as there are tests of it, as does the database.

Starting a server takes seconds, so tests share it; each has people and topics of its own. A module that needs a server
of another kind starts one beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from tests.clients import TRANSPORTS, Client, SocketClient
from tests.contract.by_close import open_or_raise
from tests.contract.other_servers import BODY, PROCESSES, OtherServer, lacks
from tests.contract.world import World, make_world
from tests.live import LiveServer
from tests.tables import empty_tables, still_relay, wait_until_drained

Start = Callable[..., LiveServer]


@pytest.fixture(scope="package")
def db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The database, emptied in the end."""
    # Under the name that pytest-django looks for when it decides whether any test needs one.
    with django_db_blocker.unblock():
        yield
        # What was committed last is on its way into the log; emptied under it, the tables would deadlock.
        wait_until_drained()
        still_relay()  # its thread has a connection of its own, and the database is to be dropped
        empty_tables()
        connections.close_all()


@pytest.fixture(scope="package")
def server(db: None) -> Iterator[LiveServer]:
    """One server with one worker."""
    with contract_server() as running:
        yield running


@pytest.fixture(scope="module")
def start_server(db: None) -> Iterator[Start]:
    """``start_server(workers=2, realtime={"TICK": 3})`` starts a server that ends with the module."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(contract_server(**options))


def contract_server(
    *, realtime: dict[str, Any] | None = None, environment: dict[str, str] | None = None, **options: Any
) -> LiveServer:
    """A server with settings of its own; ``realtime`` are changes of ``REALTIME``.

    ``TEST_SERVER=daphne`` in the environment holds another server against the contract: one of other_servers.py.
    """
    variables = {
        "DJANGO_SETTINGS_MODULE": "tests.contract.server_settings",
        "TEST_REALTIME": json.dumps(realtime or {}),
        **(environment or {}),
    }
    if (name := os.environ.get("TEST_SERVER")) is None:
        return LiveServer(environment=variables, **options)
    if options.keys() - {"workers"}:
        pytest.skip(f"needs a server that is started with {options}, which {name} is not")
    if options and lacks(PROCESSES):
        pytest.skip(f"{name} lacks {PROCESSES}")
    return OtherServer(name, environment=variables, **options)


@pytest.fixture(autouse=lacks(BODY))
def told_by_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a server that cannot refuse in HTTP, what it says and closes with is read as the status it stands for."""
    monkeypatch.setattr(SocketClient, "open", open_or_raise)


@pytest.fixture
def world(db: None) -> World:
    """People, families and accounts that no other test knows."""
    return make_world()


@pytest.fixture(params=TRANSPORTS, ids=lambda transport: transport.name)
def transport(request: pytest.FixtureRequest) -> type[Client]:
    """Each transport in turn."""
    chosen: type[Client] = request.param
    return chosen
