"""The product as it is: its own server, real sign-in, real topics, and events that come from saved models."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from bench.load.generator import Load
from bench.load.pool import STREAM
from bench.load.wire import get_request, websocket_request
from bench.machine import on_core
from bench.peers.server import EVENT, Server
from bench.program import Program
from bench.servers import started

if TYPE_CHECKING:
    from bench.crowd import Crowd

KEYS = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "JWT_SIGNING_KEY")}
ONE_TOPIC = {"topics": "global", "auto": "0"}
USUAL_TOPICS: dict[str, str] = {}  # user, family and global come without asking
ENVELOPE = 386  # bytes that a notice has beside its message


@contextmanager
def project(database: str = "sqlite") -> Iterator[None]:
    """Run a database and a Redis beside the load, set Django up on them as in production, and publish from here."""
    import os

    os.environ.update(KEYS)
    with on_core("load"), started(database):
        from django.conf import settings

        settings.DEBUG = False  # else Django keeps every query
        yield


class Product(Server):
    """``run.py serve`` with one worker."""

    name = "the product"
    greetings = 1  # Connected
    overload = 500

    def __init__(self, crowd: Crowd, *, topics: dict[str, str] | None = None, workers: int = 1) -> None:
        super().__init__()
        self.crowd = crowd
        self.workers = workers
        self.topics = ONE_TOPIC if topics is None else topics
        self._tokens = list(crowd.tokens())
        self._seated = 0

    def start(self) -> Program:
        options = ["--workers", str(self.workers), "--port", str(self.port), "--drain", "1"]
        return Program([sys.executable, "-m", "config.launch", "serve", *options], self.port, self.environment())

    def version(self) -> str:
        from django import get_version

        return f"Django {get_version()}, Python {sys.version.split()[0]}, uvicorn {version('uvicorn')}"

    def environment(self) -> dict[str, str]:
        """What the server is told: as in production."""
        return {"DEBUG": "0", "LOG_LEVEL": "WARNING"}

    def requests(self, count: int) -> list[bytes]:
        return [self.request(person) for person in self.seats(count)]

    def seats(self, count: int) -> range:
        """The next so many users, by number."""
        first, self._seated = self._seated, self._seated + count
        return range(first, first + count)

    def request(self, person: int, **more: str) -> bytes:
        """The handshake of one user, by number."""
        query = urlencode({**self.topics, **more})
        return websocket_request(f"/ws?{query}", {"Authorization": f"Bearer {self._tokens[person]}"})

    def stream(self, person: int) -> bytes:
        """The request of one user for server-sent events."""
        headers = {"Authorization": f"Bearer {self._tokens[person]}", "Accept": "text/event-stream"}
        return get_request(f"/api/v1/stream?{urlencode(self.topics)}", headers)

    def token(self, person: int) -> str:
        """An access token of one user, by number."""
        return self._tokens[person]

    def publish(self, load: Load, marks: Sequence[int]) -> dict[int, float]:
        """Save a notice to everyone for each, one by one; return when each save began."""
        times = {}
        for mark in marks:
            times[mark] = time.monotonic()
            self._notice(mark).save()
        return times

    def publish_at_once(self, load: Load, marks: Sequence[int]) -> dict[int, float]:
        """Save all of them in one transaction."""
        from ledger.models import Notification

        begin = time.monotonic()
        Notification.objects.bulk_create([self._notice(mark) for mark in marks])
        return dict.fromkeys(marks, begin)

    def _notice(self, mark: int):  # type: ignore[no-untyped-def]
        from django.utils import timezone

        from ledger.models import Notification

        # It expires at once: else everyone who connects later would be given it again, until they confirm it.
        return Notification(title=f"#{mark:08d}", message="x" * (EVENT - ENVELOPE), expires_at=timezone.now())


class Streams(Product):
    """The same by server-sent events."""

    name = "the product, SSE"
    kind = STREAM

    def requests(self, count: int) -> list[bytes]:
        return [self.stream(person) for person in self.seats(count)]


class OnDaphne(Product):
    """The same under Daphne, as ``runserver`` has it."""

    name = "the product on Daphne"

    def start(self) -> Program:
        command = [sys.executable, "-m", "daphne", "--verbosity", "0", "--bind", "127.0.0.1", "--port", str(self.port)]
        return Program([*command, "config.asgi:application"], self.port, self.environment())

    def version(self) -> str:
        return f"{super().version().rpartition(',')[0]}, Daphne {version('daphne')}"
