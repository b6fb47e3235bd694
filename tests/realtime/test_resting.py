"""A client that says nothing has no task on the server that lets it rest, and is served like any other; so a stream."""

import json

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from realtime.metrics import metrics
from tests.realtime.conftest import ServerInAThread, bearer, tell, until_sequenced, wait_until
from tests.realtime.stream import Stream, notes, streams_open, unread_stream

PATIENCE = 20.0


@pytest.fixture
def running(transactional_db):
    running = ServerInAThread(ws="realtime.server.websocket:WebSocketProtocol", http="realtime.server.door:Door")
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


@pytest.fixture
def http(running):
    with httpx.Client(base_url=running.url, timeout=PATIENCE, trust_env=False) as http:
        yield http


def test_an_idle_stream_has_no_task_hears_events_and_is_missed_when_it_leaves(running, http, alice, settings):
    settings.REALTIME = {**settings.REALTIME, "SSE_KEEPALIVE": 0.2}
    stream = Stream(http, "/api/v1/stream", {}, bearer(alice))
    assert stream.next("Connected")
    for number in range(3):
        wait_until(lambda: not running.tasks)
        tell(alice, n=number)
        assert notes(stream, 1) == [number]
    while stream.next().data is not None:
        pass  # until a keepalive comes
    wait_until(lambda: not running.tasks)
    assert streams_open() == 1
    stream.close()
    http.close()
    wait_until(lambda: streams_open() == 0 and not running.tasks)


def test_an_idle_stream_that_has_lost_what_admitted_it_is_told_and_the_connection_goes_on(
    running, http, alice, settings
):
    stream = Stream(http, "/api/v1/stream", {}, bearer(alice))
    assert stream.next("Connected")
    wait_until(lambda: not running.tasks)
    alice.is_active = False
    alice.save()

    assert stream.next("Close").data["code"] == 4503
    assert list(stream) == []
    wait_until(lambda: streams_open() == 0 and not running.tasks)
    assert http.get("/api/v1/stream").status_code == 401


def test_an_idle_stream_that_is_read_no_more_is_given_up_and_leaves_nothing(running, alice, settings):
    settings.REALTIME = {**settings.REALTIME, "UNSENT_BYTES": 64 * 1024, "CLOSE_TIMEOUT": 0.5}
    never_reads = given_up(running, alice)

    wait_until(lambda: not running.connections, seconds=PATIENCE)
    assert not running.tasks
    never_reads.close()


def test_a_server_that_ends_does_not_wait_for_a_stream_that_is_not_read(running, alice, settings):
    settings.REALTIME = {**settings.REALTIME, "UNSENT_BYTES": 64 * 1024}
    never_reads = given_up(running, alice)

    running.stop()
    assert not running.connections
    never_reads.close()


def given_up(running, user):
    """A stream that was at rest, is not read, and was told so much that it is sent away."""
    stream = unread_stream(running.url, user)
    wait_until(lambda: streams_open() == 1 and not running.tasks)
    number = 0
    while streams_open():
        assert number < 400, "it was not given up"
        tell(user, n=number, text="x" * 60_000)
        until_sequenced()
        number += 1
    return stream


def said(client):
    return json.loads(client.recv(PATIENCE))


def clients():
    return metrics.subscribers.labels("websocket")._value.get()
