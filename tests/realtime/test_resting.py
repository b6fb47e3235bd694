"""A client that says nothing has no task on the server that lets it rest, and is served like any other."""

import json

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from realtime.metrics import metrics
from tests.realtime.conftest import ServerInAThread, bearer, tell, wait_until

PATIENCE = 20.0


@pytest.fixture
def running(transactional_db):
    running = ServerInAThread(ws="realtime.server.websocket:WebSocketProtocol")
    yield running
    running.stop()


def test_an_idle_client_has_no_task_hears_events_and_is_heard(running, alice, settings):
    before = clients()
    with connect(f"{running.url.replace('http', 'ws')}/ws", additional_headers=bearer(alice)) as client:
        assert said(client)["type"] == "Connected"
        for number in range(3):
            wait_until(lambda: not running.tasks)
            tell(alice, n=number)
            assert said(client)["data"]["n"] == number
            client.send(json.dumps({"type": "Ping", "id": number}))
            assert said(client) == {"type": "Pong", "reply_to": number}
        wait_until(lambda: not running.tasks)
        assert clients() == before + 1
    wait_until(lambda: clients() == before and not running.tasks)


def test_an_idle_client_that_is_silent_too_long_is_closed_and_leaves_nothing(running, alice, settings):
    settings.REALTIME = {**settings.REALTIME, "HEARTBEAT_INTERVAL": 0.2, "HEARTBEAT_TIMEOUT": 0.5}
    before = clients()
    with connect(f"{running.url.replace('http', 'ws')}/ws", additional_headers=bearer(alice)) as client:
        assert said(client)["type"] == "Connected"
        with pytest.raises(ConnectionClosed) as closed:
            while said(client)["type"] == "Ping":
                pass
    assert closed.value.rcvd.code == 4408
    wait_until(lambda: clients() == before and not running.tasks)


def said(client):
    return json.loads(client.recv(PATIENCE))


def clients():
    return metrics.subscribers.labels("websocket")._value.get()
