"""A log that only the test moves; and a real server in the test's process, with its settings, and clients for it."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
import uvicorn
from django.db import transaction
from pytest_django import Settings
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Family
from accounts.topics import family_topic, user_topic
from config.services import waiting
from realtime import log
from realtime.models import Outgoing
from realtime.outbox import publish
from realtime.protocol.cursor import Cursor
from realtime.relay import relay
from realtime.topics import Topic
from tests.realtime.recorder import sequence
from tests.realtime.stream import Stream


@pytest.fixture
def no_tick(settings: Settings) -> None:
    """Only what a follower is told, and its own doubts, make it ask the log."""
    settings.REALTIME = {**settings.REALTIME, "TICK": 3600.0}


@pytest.fixture
def quiet(sleeping_relay: None, no_tick: None, settings: Settings) -> None:
    """The test sequences and announces by itself, and nothing happens by the clock."""
    settings.REALTIME = {**settings.REALTIME, "HEARTBEAT_INTERVAL": 3600.0}


@pytest.fixture
def small_pages(settings: Settings) -> None:
    """A page of the log is small, and so is what memory keeps of it."""
    settings.REALTIME = {**settings.REALTIME, "PAGE": 4, "TAIL_EVENTS": 5}


@pytest.fixture
def smith(family: Family) -> Topic:
    """The topic of alice's, bob's and vera's family."""
    sequence()
    return family_topic(family.pk)


@pytest.fixture
def jones(other_family: Family) -> Topic:
    """The topic of charlie's family."""
    sequence()
    return family_topic(other_family.pk)


@pytest.fixture
def slices(settings: Settings) -> None:
    """One stride of a fan-out fills a slice."""
    settings.REALTIME = {**settings.REALTIME, "FANOUT_SLICE": 1e-9}


class ServerInAThread:
    """uvicorn on a free port, in a thread of this process. ``ws`` and ``http`` are what it speaks these with."""

    def __init__(self, ws="websockets-sansio", http="auto"):
        from config.asgi import application

        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(application, lifespan="off", log_config=None, ws=ws, http=http, timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        self._thread.start()

    @property
    def tasks(self):
        """Those in which the application runs, one for each request or socket that has one."""
        return self._server.server_state.tasks

    @property
    def connections(self):
        """The protocols of those who are connected."""
        return self._server.server_state.connections

    def stop(self):
        """End it as SIGTERM would, and wait for that."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()


@pytest.fixture
def realtime_settings(settings):
    """``realtime_settings(SSE_KEEPALIVE=1)`` for this test."""

    def change(**values):
        settings.REALTIME = {**settings.REALTIME, **values}

    return change


@pytest.fixture
def running_server(transactional_db: None) -> Iterator[ServerInAThread]:
    """A server that the test may stop."""
    running = ServerInAThread()
    yield running
    running.stop()


@pytest.fixture
def server(running_server) -> str:
    """The address of that server."""
    return running_server.url


@pytest.fixture
def http(server):
    """A client of that server; nothing it waits for may take ten seconds."""
    with httpx.Client(base_url=server, timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def open_stream(http):
    """``open_stream(alice, "/api/v1/stream", cursor=…)``: a stream that ends with the test."""
    opened = []

    def start(user=None, path="/api/v1/stream", headers=None, **query):
        headers = {**(bearer(user) if user else {}), **(headers or {})}
        opened.append(Stream(http, path, query, headers))
        return opened[-1]

    yield start
    for stream in opened:
        stream.close()


@pytest.fixture
def poll(http):
    """``poll(alice, cursor=…)``: the answer's JSON."""

    def ask(user, **query):
        answer = http.get("/api/v1/events", params=query, headers=bearer(user))
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


@pytest.fixture
def refusal(http):
    """``refusal("/api/v1/events", alice, cursor="x")``: status and code."""

    def ask(path, user=None, headers=None, **query):
        headers = {**(bearer(user) if user else {}), **(headers or {})}
        answer = http.get(path, params=query, headers=headers)
        return answer.status_code, answer.json()["code"]

    return ask


def wait_until(condition, seconds=10):
    """Return once ``condition()`` is true; fail when it never becomes so."""
    waiting.wait_until(condition, seconds, lambda: "it never came to pass")


def until_sequenced():
    """Return once everything published has its place in the log, and whoever follows it here knows."""
    wait_until(lambda: not Outgoing.objects.exists())
    head = log.head()
    following = [nudge.__self__ for nudge in relay._nudges]
    wait_until(lambda: all(one.position >= head.position for one in following if one.epoch == head.epoch))


def bearer(user):
    return {"Authorization": f"Bearer {AccessToken.for_user(user)}"}


def tell(user, *, ack=False, **data):
    """Publish a Note to the user's own topic."""
    with transaction.atomic():
        publish("Note", data, to=[user_topic(user.pk)], ack=ack)


def acknowledge(http, user, body):
    return http.post("/api/v1/events/ack", content=body, headers=bearer(user))


def place_of(cursor):
    """The place that a poll's cursor names, as any transport would say it."""
    return replace(Cursor.parse(cursor), line=None).encode()
