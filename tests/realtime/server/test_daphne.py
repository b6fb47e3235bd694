"""Daphne with the short way out: the same order, the same honesty."""

import re
import sys
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from config.services.supervised import Supervised, temporary_directory
from config.services.waiting import wait_until
from tests.live import free_port, variables

PATIENCE = 20.0


@pytest.fixture
def daphne(db: None) -> Iterator[tuple[Supervised, int]]:
    """A Daphne with the application that says everything twice, and its port."""
    port = free_port()
    command = [sys.executable, "-m", "daphne", "-p", str(port), "tests.realtime.server.daphne_app:application"]
    process = Supervised(command, temporary_directory(), temporary=True, environment=variables())
    process.start()
    try:
        wait_until(
            lambda: "Listening on TCP address" in process.log.read_text(), PATIENCE, lambda: process.log.read_text()
        )
        yield process, port
    finally:
        process.close()


def test_what_is_written_and_what_is_sent_arrive_in_one_order(daphne: tuple[Supervised, int]) -> None:
    process, port = daphne
    heard: list[str] = []
    with connect(f"ws://127.0.0.1:{port}/", max_size=None) as client, pytest.raises(ConnectionClosed) as closed:
        while True:
            heard.append(str(client.recv(timeout=PATIENCE)))
            if heard[-1] == "behind":
                client.send("all read")  # else Daphne, which gives a close one second, might cut off what is not

    assert heard[:100] == [text for number in range(50) for text in (f"written {number}", f"sent {number}")]
    assert set(heard[100:-1]) <= {"x" * 1_000_000}  # how many it takes is the kernel's to say
    assert heard[-1] == "behind"
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "draining")
    wait_until(lambda: "states" in process.log.read_text(), PATIENCE, lambda: process.log.read_text())
    assert re.findall("states .*", process.log.read_text()) == ["states True False True True 0"]


def test_what_is_larger_than_daphne_takes_is_answered_with_a_close(daphne: tuple[Supervised, int]) -> None:
    process, port = daphne
    with connect(f"ws://127.0.0.1:{port}/quiet", max_size=None) as client, pytest.raises(ConnectionClosed) as closed:
        client.send("x" * (2 * 1024 * 1024))
        client.recv(timeout=PATIENCE)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    wait_until(lambda: "heard" in process.log.read_text(), PATIENCE, lambda: process.log.read_text())
    assert re.findall("heard .*", process.log.read_text()) == ["heard websocket.disconnect"]
