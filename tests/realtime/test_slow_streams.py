"""A stream that is not read: given up with 4410, whole up to there, at nobody else's cost."""

import re
import time

import httpx
import pytest

from realtime import log
from realtime.metrics import metrics
from tests.realtime.conftest import ServerInAThread, bearer, tell, until_sequenced, wait_until
from tests.realtime.stream import Stream, notes, streams_open, unread_stream

pytestmark = pytest.mark.once


def test_who_does_not_read_is_given_up_and_costs_the_others_nothing(server, open_stream, alice, realtime_settings):
    realtime_settings(UNSENT_BYTES=64 * 1024, UNSENT_SECONDS=60)
    reader = open_stream(alice)
    reader.next("Connected")
    never_reads = unread_stream(server, alice)
    wait_until(lambda: streams_open() == 2)
    big = "x" * 60_000
    sent = 0

    while streams_open() == 2:
        assert sent < 400, "nothing was given up"
        tell(alice, n=sent, text=big)
        assert notes(reader, 1) == [sent]
        sent += 1

    read_at_last = read_all(never_reads)
    last = read_at_last[read_at_last.rindex(b"event: ") :]
    places = [int(seq) for seq in re.findall(rb'"seq":(\d+)', read_at_last)]
    assert last.startswith(b'event: Close\ndata: {"code":4410,')
    assert places == list(range(1, len(places) + 1))


def test_who_is_given_up_in_mid_replay_hears_nothing_from_behind_what_it_missed(alice, realtime_settings, ours):
    realtime_settings(UNSENT_BYTES=64 * 1024, UNSENT_SECONDS=0.3, MAX_REPLAY=1000)
    place = log.present_cursor()
    for n in range(100):
        tell(alice, n=n, text="x" * 60_000)
    until_sequenced()
    given_up = closed(4410)
    never_reads = unread_stream(ours, alice, cursor=place)
    wait_until(lambda: closed(4410) == given_up + 1)

    with httpx.Client(base_url=ours, timeout=10, trust_env=False) as client:
        reader = Stream(client, "/api/v1/stream", {}, bearer(alice))
        reader.next("Connected")
        joined = 1
        for n in range(100, 120):
            tell(alice, n=n)
            assert notes(reader, 1) == [n]
            joined = max(joined, streams_open())
        reader.close()

    places = [int(seq) for seq in re.findall(rb'"seq":(\d+)', read_all(never_reads))]
    assert places == list(range(1, len(places) + 1))
    assert len(places) < 100
    assert joined == 1, "only the reader is"


@pytest.fixture
def ours(transactional_db):
    """The address of a server that has the short way out for streams too."""
    running = ServerInAThread(http="realtime.server.http:HttpProtocol")
    yield running.url
    running.stop()


def closed(code):
    return metrics.closed.labels(str(code))._value.get()


def read_all(connection):
    """What comes until the end, without the chunks' own lengths."""
    received = b""
    deadline = time.monotonic() + 10
    while not received.endswith(b"0\r\n\r\n") and time.monotonic() < deadline:
        piece = connection.recv(1 << 20)
        if not piece:
            break
        received += piece
    connection.close()
    return re.sub(rb"\r\n[0-9a-f]+\r\n", b"", received)
