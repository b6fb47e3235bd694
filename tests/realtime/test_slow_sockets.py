"""A socket that is not read: given up with 4410, whole up to there, at nobody else's cost. By the wire and by ASGI."""

import json
import socket
import time
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest
from rest_framework_simplejwt.tokens import AccessToken
from websockets.sync.client import connect

from accounts.sessions import sign_out
from realtime import log
from realtime.metrics import metrics
from tests.realtime.conftest import ServerInAThread, bearer, tell, until_sequenced, wait_until
from tests.realtime.server.harness import frame

pytestmark = pytest.mark.once

OURS = "realtime.server.websocket:WebSocketProtocol"
BIG = "x" * 60_000
PONG = frame(b"", opcode=10)
PATIENCE = 20.0


@pytest.fixture(params=[OURS, "websockets-sansio"], ids=["wire", "asgi"])
def address(request, transactional_db):
    """A server that speaks WebSocket one way or the other."""
    running = ServerInAThread(ws=request.param)
    yield urlsplit(running.url)
    running.stop()


def test_who_does_not_read_is_given_up_and_comes_back_with_its_cursor(address, alice, settings):
    settings.REALTIME = {**settings.REALTIME, "UNSENT_BYTES": 64 * 1024, "UNSENT_SECONDS": 60}
    with connect(f"ws://{address.netloc}/ws", additional_headers=bearer(alice), max_size=None) as reader:
        assert json.loads(reader.recv(PATIENCE))["type"] == "Connected"
        never_reads = unread_socket(address, alice)
        wait_until(lambda: sockets_open() == 2)
        sent = 0
        while sockets_open() == 2:
            assert sent < 400, "nobody was given up"
            tell(alice, n=sent, text=BIG)
            assert numbers(reader, 1) == [sent]
            sent += 1

        frames, code = read_all(never_reads)
        events = [each for each in frames if each["type"] == "Note"]
        assert code == 4410
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        place = events[-1]["cursor"] if events else frames[0]["data"]["cursor"]
        again = f"ws://{address.netloc}/ws?{urlencode({'cursor': place})}"
        with connect(again, additional_headers=bearer(alice), max_size=None) as resumed:
            assert numbers(resumed, sent - len(events)) == list(range(len(events), sent))
        tell(alice, n=sent)
        assert numbers(reader, 1) == [sent]


@pytest.mark.parametrize("address", [OURS], indirect=True)  # the other server takes all at once
def test_a_replay_that_takes_longer_than_a_client_may_be_silent_is_no_silence(address, alice, settings):
    silence = {"HEARTBEAT_INTERVAL": 0.5, "HEARTBEAT_TIMEOUT": 2.0}
    settings.REALTIME = {**settings.REALTIME, **silence, "UNSENT_BYTES": 64 * 1024, "UNSENT_SECONDS": 60}
    place = log.present_cursor()
    for n in range(100):
        tell(alice, n=n, text=BIG)
    until_sequenced()
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect((address.hostname, address.port))
    url = f"ws://{address.netloc}/ws?{urlencode({'cursor': place})}"

    with connect(url, sock=slow, additional_headers=bearer(alice), max_size=None, max_queue=1) as client:
        begun = time.monotonic()
        assert json.loads(client.recv(PATIENCE))["type"] == "Connected"
        wait_until(lambda: time.monotonic() > begun + silence["HEARTBEAT_TIMEOUT"])
        assert sockets_open() == 0, "it is still in its replay"
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert numbers(client, 100) == list(range(100))

        assert json.loads(client.recv(PATIENCE))["type"] == "Ping"
        client.send('{"command": "Ping"}')
        while (said := json.loads(client.recv(PATIENCE))["type"]) == "Ping":
            pass
        assert said == "Pong"


@pytest.mark.parametrize("address", [OURS], indirect=True)  # the other server reads on
def test_who_reads_slowly_and_says_something_is_not_silent(address, alice, settings):
    silence = {"HEARTBEAT_INTERVAL": 0.5, "HEARTBEAT_TIMEOUT": 2.0}
    settings.REALTIME = {**settings.REALTIME, **silence, "UNSENT_BYTES": 1 << 26, "UNSENT_SECONDS": 60}
    with unread_socket(address, alice) as slow:
        wait_until(lambda: sockets_open() == 1)
        for n in range(200):
            tell(alice, n=n, text=BIG)
        until_sequenced()
        begun = time.monotonic()

        def has_read_and_answered():
            slow.send(PONG)
            slow.recv(8192)
            return sockets_open() == 0 or time.monotonic() > begun + 2 * silence["HEARTBEAT_TIMEOUT"]

        wait_until(has_read_and_answered)

        assert sockets_open() == 1


@pytest.fixture
def long_ago(alice, settings):
    """The cursor of a client with a hundred big events to be replayed, which may take its time."""
    settings.REALTIME = {**settings.REALTIME, "UNSENT_BYTES": 64 * 1024, "UNSENT_SECONDS": 60}
    place = log.present_cursor()
    for n in range(100):
        tell(alice, n=n, text=BIG)
    until_sequenced()
    return place


@pytest.mark.parametrize("address", [OURS], indirect=True)  # the other server takes all at once
def test_who_reads_its_replay_slowly_is_sent_nothing_more_once_its_token_has_expired(address, alice, long_ago):
    before, token = closed_with(4401), AccessToken.for_user(alice)
    token.set_exp(lifetime=timedelta(seconds=2))
    with unread_socket(address, alice, token=token, cursor=long_ago) as slow:
        wait_until(lambda: closed_with(4401) == before + 1)

        frames, code = read_all(slow)
    events = [each for each in frames if each["type"] == "Note"]
    assert [event["data"]["n"] for event in events] == list(range(len(events)))
    assert len(events) < 100
    assert code == 4401


@pytest.mark.parametrize("address", [OURS], indirect=True)  # the other server takes all at once
def test_who_reads_its_replay_slowly_is_closed_as_soon_as_its_user_signs_out(address, alice, long_ago):
    before = closed_with(4503)
    with unread_socket(address, alice, cursor=long_ago) as slow:
        wait_until(lambda: b"Connected" in slow.recv(4096, socket.MSG_PEEK))
        assert sockets_open() == 0, "it is in its replay"
        sign_out(alice.pk)

        wait_until(lambda: closed_with(4503) == before + 1)

        assert read_all(slow)[1] in (4503, None), "the end comes behind what was sent, if it is read in time"


def sockets_open():
    return metrics.subscribers.labels("websocket")._value.get()


def closed_with(code):
    return metrics.closed.labels(str(code))._value.get()


def numbers(client, count):
    """The numbers of the next events."""
    found = []
    while len(found) < count:
        said = json.loads(client.recv(PATIENCE))
        if said["type"] == "Note":
            found.append(said["data"]["n"])
    return found


def unread_socket(address, user, token=None, **query):
    """A socket with a small window, from which nothing is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(PATIENCE)
    connection.connect((address.hostname, address.port))
    lines = [
        f"GET /ws?{urlencode({'token': str(token or AccessToken.for_user(user)), **query})} HTTP/1.1",
        f"Host: {address.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def read_all(connection):
    """The messages that come until the server closes, and the code with which it does."""
    received = b""
    try:
        while piece := connection.recv(1 << 20):
            received += piece
    except ConnectionResetError:
        pass
    connection.close()
    data = received.partition(b"\r\n\r\n")[2]
    frames = []
    while data:
        size, start = data[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        payload, data = data[start : start + size], data[start + size :]
        if payload[:1] != b"{":  # the close
            return frames, int.from_bytes(payload[:2], "big")
        frames.append(json.loads(payload))
    return frames, None
