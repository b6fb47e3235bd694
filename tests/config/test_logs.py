"""What the log says of an outage: that it is there, and not a traceback a second."""

from __future__ import annotations

import logging
import sys

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from config.logs import SILENCE, OutageFilter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def record_of(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except type(error):
        return logging.LogRecord("layer", logging.ERROR, "", 0, "Unexpected exception", (), sys.exc_info())


@pytest.mark.parametrize("error", [RedisConnectionError("refused"), ConnectionRefusedError("refused")])
def test_an_outage_is_one_line_a_while_without_a_traceback(error: Exception) -> None:
    clock = Clock()
    outage = OutageFilter(clock)

    first, second = record_of(error), record_of(error)
    assert outage.filter(first)
    assert not outage.filter(second)
    clock.now += SILENCE
    assert outage.filter(record_of(error))

    line = logging.Formatter("{levelname} {message}", style="{").format(first)
    assert line == f"WARNING no announcements without Redis: {type(error).__name__}: refused"


def test_what_is_no_outage_is_said_as_it_was() -> None:
    outage = OutageFilter(Clock())
    records = [record_of(ValueError("ours")) for _ in range(2)]

    assert all(outage.filter(record) for record in records)
    assert "ValueError: ours" in logging.Formatter().format(records[1])
