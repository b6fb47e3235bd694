"""The same application behind other ASGI servers: those that a host project may run it on instead of ours.

Apart from the fixtures so that a module can start one of them, or a whole run can be held against one:
``TEST_SERVER=granian python3 run.py test tests/contract``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from tests.live import SilentServer

APPLICATION = "config.asgi:application"
UVICORN = ["-m", "uvicorn", "--port", "{port}", "--lifespan", "off", "--timeout-graceful-shutdown", "1", APPLICATION]
GRANIAN = ["-m", "granian", "--interface", "asginl", "--ws"]
OTHER_SERVERS: dict[str, list[str]] = {
    "daphne": ["-m", "daphne", "-b", "127.0.0.1", "-p", "{port}", APPLICATION],
    "uvicorn-sansio": [*UVICORN, "--ws", "websockets-sansio"],
    "uvicorn-wsproto": [*UVICORN, "--ws", "wsproto"],
    "hypercorn": ["-m", "hypercorn", "--bind", "127.0.0.1:{port}", "--graceful-timeout", "1", APPLICATION],
    "granian": [*GRANIAN, "--port", "{port}", "--http1-header-read-timeout", "5000", APPLICATION],
}
"""What follows ``python`` to start each."""

BODY = "an answer with a body to a handshake (websocket.http.response)"
PONGS = "word of the pongs that it hears"
SILENCE = "an end to a connection that says nothing"
HEADS = "an end to a request whose head never comes whole"
BODIES = "an end to a request whose body never comes whole"
PROCESSES = "a second process behind its port"
LACKS = {
    BODY: {"daphne"},
    PROCESSES: {"daphne"},
    PONGS: {*OTHER_SERVERS},
    SILENCE: {"daphne", "uvicorn-sansio", "uvicorn-wsproto", "granian"},
    HEADS: {"daphne", "uvicorn-sansio", "uvicorn-wsproto"},
    BODIES: {*OTHER_SERVERS},
}
"""What which of them have not, and nobody can give them from without: docs/deploying.md says so."""


def lacks(what: str) -> bool:
    """Whether the server that this run is held against lacks one of the things above."""
    return os.environ.get("TEST_SERVER") in LACKS[what]


def needs(what: str) -> pytest.MarkDecorator:
    """Skip a test on those that lack what it is about."""
    return pytest.mark.skipif(lacks(what), reason=f"{os.environ.get('TEST_SERVER')} lacks {what}")


class OtherServer(SilentServer):
    """One of the servers above, with one process or with several."""

    def __init__(self, name: str, *, workers: int = 1, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(environment=environment)
        self._arguments = [argument.format(port=self.port) for argument in OTHER_SERVERS[name]]
        if workers > 1:
            self._arguments += ["--workers", str(workers)]

    def arguments(self) -> list[str]:
        """Return what follows ``python`` to start it."""
        return self._arguments
