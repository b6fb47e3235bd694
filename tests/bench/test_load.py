"""The load generator as a whole: its process, the bare loop, and polling."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import repeat

import pytest

from bench.load.arrivals import Faults, faults
from bench.load.generator import Load, Refused
from bench.load.native import compiler
from bench.load.polls import poll
from bench.load.wire import get_request, websocket_request
from bench.peers.bare import Bare
from tests.live import free_port

CLIENTS, EVENTS = 20, 30


class Answers(BaseHTTPRequestHandler):
    """Answers 200 to /yes and 503 to all else, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"x" * 70_000
        self.send_response(200 if self.path == "/yes" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(compiler() is None, reason="no C compiler here")
def test_what_one_client_says_to_the_bare_loop_all_hear_once_and_in_order() -> None:
    marks = range(1, EVENTS + 1)

    with Bare() as server, Load(server.port, room=CLIENTS) as load:
        load.open(server.requests(CLIENTS))
        server.publish(load, marks)
        came = load.wait(CLIENTS * EVENTS)
        wrong = faults(load.records(), dict.fromkeys(range(CLIENTS), marks))
        used = server.program.memory()

    assert came == CLIENTS * EVENTS
    assert wrong == Faults(0, 0, 0)
    assert used > 0


def test_a_server_that_is_not_there_is_said_and_not_measured() -> None:
    with Load(free_port(), room=2) as load, pytest.raises(Refused, match="2 of 2 not opened: could not connect"):
        load.open([websocket_request("/")] * 2)


def test_polls_are_counted_when_the_whole_answer_came(web: int) -> None:
    polled = poll(web, repeat(get_request("/yes")), connections=1, seconds=0.2)

    assert polled.answers > 0
    assert polled.refused == 0
    assert len(polled.latencies) == polled.answers


def test_polling_ends_when_there_is_nothing_more_to_ask(web: int) -> None:
    polled = poll(web, iter([get_request("/yes")] * 5), connections=1, seconds=50)

    assert polled.answers == 5
    assert polled.seconds < 50


def test_a_poll_that_is_refused_is_counted_apart_and_quoted(web: int) -> None:
    polled = poll(web, repeat(get_request("/no")), connections=1, seconds=0.2)

    assert polled.refused == polled.answers > 0
    assert polled.complaint.startswith("HTTP/1.1 503")
