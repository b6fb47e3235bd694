"""No token, ticket, session, key or password is found in anything that the servers wrote, whatever was done with it.

The server as a user starts it, with two workers and a log of every request at the most talkative level; then Daphne, as
``runserver`` has it. Every kind of credential is used, good and bad, at every kind of door, and things go wrong.
"""

from __future__ import annotations

import json
import secrets
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import jwt
import pytest
from django.db import connection
from pytest_django import Settings
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from accounts.models import User
from config.env import BASE_DIR
from tests.conftest import PASSWORD
from tests.live import LiveServer, SilentServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.once]

METRICS_TOKEN = secrets.token_urlsafe(32)
KEYS = {"SECRET_KEY": secrets.token_urlsafe(48), "JWT_SIGNING_KEY": secrets.token_urlsafe(48)}
TALKATIVE = {**KEYS, "LOG_LEVEL": "DEBUG", "DEBUG": "0", "REALTIME_METRICS_TOKEN": METRICS_TOKEN}
DOORS = ["/api/v1/stream", "/api/v1/events", "/api/v1/snapshot?resource=nothing", "/api/v1/me", "/nowhere", "/healthz"]
SEEN_BY_STAFF = ["realtime/event/", "realtime/outgoing/", "realtime/receipt/", "axes/accessattempt/", "accounts/user/"]
REFERRER = "same-origin"
# One context for all requests: httpx would read the certificates of the machine anew for each of hundreds.
ASKED: dict[str, Any] = {"trust_env": False, "verify": ssl.create_default_context(), "timeout": 20}


class Secrets:
    """Every credential that was used, and what may not be found of it. The server gave them, as it does to users."""

    def __init__(self, server: LiveServer, user: User) -> None:
        self.url, self.user = server.url, user
        pair = httpx.post(f"{self.url}/api/v1/auth/token", json=self.login, **ASKED).json()
        self.good, self.session = pair["access"], self.sign_in_by_the_page()
        claims = jwt.decode(self.good, options={"verify_signature": False})
        self.given = {
            "a good token": self.good,
            "an expired token": jwt.encode({**claims, "exp": claims["iat"] - 5}, KEYS["JWT_SIGNING_KEY"], "HS256"),
            "a token with another signature": self.good[:-6] + "AAAAAA",
            "rubbish": secrets.token_urlsafe(24),
            "a session": self.session,
            "a refresh token": pair["refresh"],
            "the token for metrics": METRICS_TOKEN,
            "a password": PASSWORD,
            "a wrong password": secrets.token_urlsafe(16),
        }

    @property
    def login(self) -> dict[str, str]:
        """Name and password."""
        return {"username": self.user.username, "password": PASSWORD}

    def sign_in_by_the_page(self) -> str:
        """The key of a session."""
        with httpx.Client(base_url=self.url, **ASKED) as browser:
            browser.get("/accounts/login/")
            form = {**self.login, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
            assert browser.post("/accounts/login/", data=form).status_code == 302
            return browser.cookies["sessionid"]

    @property
    def tokens(self) -> list[str]:
        """Those that are handed over where a token belongs."""
        return [value for name, value in self.given.items() if "token" in name or name == "rubbish"]

    def ticket(self) -> str:
        """Another ticket."""
        headers = {"Authorization": f"Bearer {self.good}"}
        answer = httpx.post(f"{self.url}/api/v1/realtime/tickets", headers=headers, **ASKED)
        self.given[f"ticket {len(self.given)}"] = fresh = str(answer.json()["ticket"])
        return fresh

    def found_in(self, text: str) -> list[str]:
        """What of them stands in a text, whole or by its signature."""
        return [name for name, value in self.given.items() if value in text or value.rpartition(".")[2] in text]


class Told:
    """What clients were told."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.policies: set[str | None] = set()

    def add(self, answer: httpx.Response) -> None:
        """Keep an answer, without what was asked for: a cookie."""
        headers = [f"{name}: {value}" for name, value in answer.headers.items() if name != "set-cookie"]
        self.parts.append("\n".join([*headers, answer.text]))
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.policies.add(answer.headers.get("referrer-policy"))


class RunServer(SilentServer):
    """The same under Daphne, with its own log of requests, as ``manage.py runserver`` has it."""

    def arguments(self) -> list[str]:
        program = str(BASE_DIR / "manage.py")
        return [program, "runserver", "--noreload", "--verbosity", "2", f"127.0.0.1:{self.port}"]


@pytest.fixture
def admin(settings: Settings, make_user: Callable[..., User]) -> User:
    """Staff and superuser, whose password is kept as the servers keep it: not in the quick way of the tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    return make_user("admin", is_staff=True, is_superuser=True)


@pytest.mark.parametrize("kind", [LiveServer, RunServer])
def test_nothing_that_the_server_wrote_holds_a_credential(kind: Callable[..., LiveServer], admin: User) -> None:
    told = Told()
    options: dict[str, Any] = {"workers": 2, "options": ["--access-log"]} if kind is LiveServer else {}
    with kind(environment=TALKATIVE, **options) as server:
        known = Secrets(server, admin)
        over_http(server, known, told)
        by_sign_in(server, known, told)
        with a_table_missing("accounts_family"):
            by_failing(server, known, told)
        over_sockets(server, known, told)
        by_malformed_requests(server, known, told)
        by_staff(server, known, told)
        server.stop()
        log = server.log()

    assert "/nowhere" in log  # it does log requests
    assert "Traceback" in log  # and what went wrong
    assert known.found_in(log) == []
    assert [found for part in told.parts if (found := known.found_in(part))] == []
    assert told.policies == {REFERRER}


def over_http(server: LiveServer, known: Secrets, told: Told) -> None:
    """Use every credential in every way at every door."""
    for door in DOORS:
        sign = "&" if "?" in door else "?"
        for token in known.tokens:
            ask(server, told, door, headers={"Authorization": f"Bearer {token}"})
            ask(server, told, f"{door}{sign}token={token}")
            ask(server, told, f"{door}{sign}ticket={token}")
        spent = known.ticket()
        for _ in range(2):
            ask(server, told, f"{door}{sign}ticket={spent}")
        ask(server, told, door, headers={"Cookie": f"sessionid={known.session}", "Sec-Fetch-Site": "same-origin"})
    ask(server, told, "/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    # A redirect leads back to what was asked for, which is the client's own to know: only the log is looked at.
    httpx.get(f"{server.url}/admin/?token={known.good}", **ASKED)


def by_sign_in(server: LiveServer, known: Secrets, told: Told) -> None:
    """Sign in rightly and wrongly; what a right sign-in answers is a credential itself.

    The wrong ones come last: a right one would forget them, and staff is to find them.
    """
    given = httpx.post(f"{server.url}/api/v1/auth/token", json=known.login, **ASKED).json()
    known.given |= {"an access token given": given["access"], "a refresh token given": given["refresh"]}
    for password in (known.given["a wrong password"], known.given["rubbish"]):
        body = {"username": known.user.username, "password": password}
        told.add(httpx.post(f"{server.url}/api/v1/auth/token", json=body, **ASKED))
        told.add(httpx.post(f"{server.url}/accounts/login/?token={known.good}", data=body, **ASKED))
    for refresh in (known.given["rubbish"], known.good):
        told.add(httpx.post(f"{server.url}/api/v1/auth/refresh", json={"refresh": refresh}, **ASKED))


def by_failing(server: LiveServer, known: Secrets, told: Told) -> None:
    """Have requests fail in the middle, with credentials in their hands."""
    query = f"token={known.good}&ticket={known.ticket()}"
    for headers in ({"Authorization": f"Bearer {known.good}"}, {"Cookie": f"sessionid={known.session}"}):
        answer = ask(server, told, f"/api/v1/families?{query}", headers=headers)
        assert answer.status_code == 500


def over_sockets(server: LiveServer, known: Secrets, told: Told) -> None:
    """The same over WebSocket, with commands that hold a token."""
    for token in known.tokens:
        converse(server, known, told, additional_headers={"Authorization": f"Bearer {token}"})
        converse(server, known, told, subprotocols=[Subprotocol("realtime.v1"), Subprotocol(f"bearer.{token}")])
        for query in (f"token={token}", f"ticket={token}", f"token={token}&refuse=close", f"token={token}&cursor=x"):
            converse(server, known, told, query)
    spent = known.ticket()
    for _ in range(2):
        converse(server, known, told, f"ticket={spent}&refuse=close")
    cookie = {"Cookie": f"sessionid={known.session}", "Origin": server.url}
    converse(server, known, told, additional_headers=cookie)
    converse(server, known, told, additional_headers={**cookie, "Origin": "https://evil.example.org"})


def converse(server: LiveServer, known: Secrets, told: Told, query: str = "", **options: Any) -> None:
    """Open a socket if that is allowed, and say things with tokens in them."""
    try:
        with connect(f"{server.ws_url}/ws?{query}", proxy=None, open_timeout=20, **options) as client:
            told.parts.append(str(client.subprotocol))
            with suppress(ConnectionClosed):  # who was let in only to be refused
                for number, token in enumerate(known.tokens):
                    client.send(json.dumps({"command": "Authenticate", "data": {"token": token}, "id": number}))
                    client.send(json.dumps({"command": "Authenticate", "data": {"token": [token]}, "id": number}))
                    client.send(json.dumps({"command": "Subscribe", "data": {"topic": "user:1", "after": token}}))
                client.send(json.dumps({"command": "Ping", "id": "the last"}))
            with suppress(ConnectionClosed):
                while "the last" not in told.parts[-1]:
                    told.parts.append(str(client.recv(timeout=20)))
    except (InvalidHandshake, InvalidMessage, OSError) as refusal:
        response = getattr(refusal, "response", None)
        if response is not None:
            told.parts.append(f"{response.headers}\n{(response.body or b'').decode()}")


def by_malformed_requests(server: LiveServer, known: Secrets, told: Told) -> None:
    """Say what no client should, with a token in it."""
    token = known.good
    for request in (
        f"GET /ws?token={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        f"GET /ws?token={token} HTTP/9.9\r\n\r\n",
        f"GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nbad header\r\n\r\n",
        f"POST /ws?ticket={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        f"{token}\r\n\r\n",
        f"GET /api/v1/events?token={token}&topics=%ff HTTP/1.1\r\nHost: evil.example.org\r\nConnection: close\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(request.encode())
            client.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                told.parts.append(client.recv(65536).decode(errors="replace"))


def by_staff(server: LiveServer, known: Secrets, told: Told) -> None:
    """Look at everything that staff may see."""
    cookie = {"Cookie": f"sessionid={known.session}"}
    for page in ("", *SEEN_BY_STAFF):
        assert ask(server, told, f"/admin/{page}", headers=cookie).status_code == 200
    from axes.models import AccessAttempt

    attempts = AccessAttempt.objects.all()
    assert attempts  # else there would be nothing to look at
    for attempt in attempts:
        assert ask(server, told, f"/admin/axes/accessattempt/{attempt.pk}/change/", headers=cookie).status_code == 200
    ask(server, told, "/debug", headers=cookie)
    ask(server, told, "/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})


def ask(server: LiveServer, told: Told, path: str, *, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask once; of a stream, hear the beginning."""
    with httpx.stream("GET", f"{server.url}{path}", headers=headers, **ASKED) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            told.parts.append(next(answer.iter_text()))
            return answer
        answer.read()
        told.add(answer)
        return answer


@contextmanager
def a_table_missing(table: str) -> Iterator[None]:
    """Take a table away, so that whatever needs it fails."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table}_away RENAME TO {table}")
