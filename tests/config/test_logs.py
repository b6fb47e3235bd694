"""What the log says of an outage: that it is there, and not a traceback a second."""

from __future__ import annotations

import logging
import sys

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from config.logs import INDENT, SILENCE, LineFormatter, OutageFilter
from realtime.scrub import ScrubFilter


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


LINE = LineFormatter("{levelname} {name}: {message}", style="{")


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("a\nERROR ledger: all is lost", "a\\nERROR ledger: all is lost"),
        ("a\rERROR", "a\\rERROR"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("\x00", "\\x00"),
        ("Zoë paid 5 € 😀\tand left", "Zoë paid 5 € 😀\tand left"),
    ],
)
def test_whatever_is_logged_stays_on_its_line_and_commands_no_terminal(said: str, written: str) -> None:
    record = logging.LogRecord("ledger", logging.WARNING, "", 0, "%s", (said,), None)

    assert LINE.format(record) == f"WARNING ledger: {written}"


def test_a_traceback_stands_behind_its_line_whatever_its_exception_says() -> None:
    record = record_of(ValueError("no number: x\n2026-01-01 ERROR ledger: all is lost\x1b[2J"))
    ScrubFilter().filter(record)  # it writes the traceback first

    first, *others = LINE.format(record).split("\n")

    assert first == "ERROR layer: Unexpected exception"
    assert others[-1] == f"{INDENT}2026-01-01 ERROR ledger: all is lost\\x1b[2J"
    assert all(line.startswith(INDENT) for line in others)
