"""What other programs' loggers say too loudly, or too often, for whoever reads the log."""

import logging
import time
from collections.abc import Callable

SILENCE = 30.0  # seconds between two lines about one outage


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
