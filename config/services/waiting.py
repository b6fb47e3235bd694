"""Waiting for a condition of another process, which can only be asked again and again."""

import time
from collections.abc import Callable

from config.services.supervised import ServiceError

PAUSE = 0.02


def wait_until(condition: Callable[[], bool], seconds: float, complaint: Callable[[], str]) -> None:
    """Return as soon as ``condition()`` holds. Raises ServiceError with ``complaint()`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ServiceError(complaint())
        time.sleep(PAUSE)
