"""What other programs' loggers say too loudly, or too often, for whoever reads the log; and that a line is a line."""

import logging
import re
import time
from collections.abc import Callable

SILENCE = 30.0  # seconds between two lines about one outage
INDENT = "    "

# What a terminal obeys, what begins a line for some program or other, and what turns the reading around.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class LineFormatter(logging.Formatter):
    """One line for each record: nothing that a stranger had logged begins another one, or commands a terminal.

    A traceback has lines of its own, behind it and indented.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write the record, with what is no text in it escaped: what an exception says may be anybody's words too."""
        record.message = record.getMessage()
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        lines = [_escaped(self.formatMessage(record))]
        error = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        for more in (error, record.stack_info or ""):
            lines += [INDENT + _escaped(line) for line in more.split("\n") if line]
        return "\n".join(lines)


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def is_refusal(record: logging.LogRecord) -> bool:
    """Whether uvicorn calls it an error that a WebSocket was answered in HTTP, as everyone who is refused is."""
    return record.getMessage() == "ASGI callable returned without completing handshake."


class OutageFilter(logging.Filter):
    """Makes one line a while of the traceback that the channel layer writes each second without Redis."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Let records without an error through as they are; of the others the first, and then one a while."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] != "redis":
            return True
        now = self._clock()
        if now < self._quiet_until:
            return False
        self._quiet_until = now + SILENCE
        record.msg, record.args = "no announcements without Redis: %s: %s", (type(error).__name__, error)
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        record.exc_info = record.exc_text = None
        return True
