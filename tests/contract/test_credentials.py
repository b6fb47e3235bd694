"""Every credential at every door that takes it, good and in each way bad: one answer, whatever the transport.

Each user is new to the server, so that nothing it has kept of them answers in place of the rules.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
import websockets
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken, Token

from accounts.authentication import issue
from accounts.models import User
from accounts.sessions import sign_out
from realtime import tickets
from realtime.tickets import Ticket
from tests.clients import TRANSPORTS, Client, Frame, PollClient, SocketClient, access_token
from tests.contract.conftest import Start
from tests.contract.world import work
from tests.live import LiveServer

pytestmark = pytest.mark.once

Answer = tuple[int, str]

GOOD: Answer = (200, "")
ELSEWHERE = "https://elsewhere.example"
UNAUTHENTICATED, EXPIRED, FORBIDDEN = (401, "unauthenticated"), (401, "token_expired"), (403, "forbidden")


class AckClient(PollClient):
    """Acknowledges something when it opens, which is unknown, and so harmless."""

    name = "ack"
    csrf = "c" * 32

    async def open(self) -> None:
        self.http = self.http_client(timeout=30)
        async with self.http:
            answer = await self.http.post(
                "/api/v1/events/ack", json={"message_ids": []}, params=self.query(), headers=self.headers()
            )
            answer.raise_for_status()

    async def close(self) -> None:
        """There is nothing open."""


DOORS: list[type[Client]] = [*TRANSPORTS, AckClient]
TOKENS = ("header", "subprotocol", "query")
BY = (*TOKENS, "ticket", "session")
WAYS = [(door, by) for door in DOORS for by in BY if by != "subprotocol" or door is SocketClient]

_numbers = itertools.count(1)


def deactivated(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def signed_out(user: User) -> None:
    sign_out(user.pk)


def with_another_password(user: User) -> None:
    user.set_password("another horse, another staple")
    user.save(update_fields=["password"])


def deleted(user: User) -> None:
    user.delete()


# What happens to the user once the credential is made.
ENDS: dict[str, Callable[[User], object]] = {
    "deactivated": deactivated,
    "signed out": signed_out,
    "with another password": with_another_password,
    "deleted": deleted,
}


def new_user() -> User:
    return User.objects.create_user(f"holder-{next(_numbers)}")


def token_of(user: User, state: str) -> str:
    """An access token of the user, or what is to be taken for one."""
    if state == "of another kind":
        return str(issue(user))
    token = access_token(user, timedelta(seconds=-1) if state == "expired" else None)
    return forged(token) if state == "forged" else token


def ticket_of(user: User, state: str) -> str:
    """A ticket of the user, as one that was bought with an access token, or what is to be taken for one."""
    if state == "of another kind":
        return access_token(user)
    claims = AccessToken(access_token(user).encode()).payload  # type: ignore[arg-type]
    raw = tickets.issue(user, expires_at=None, claims=claims)
    if state == "expired":
        ticket: Token = Ticket(raw.encode())  # type: ignore[arg-type]
        ticket.set_exp(lifetime=timedelta(seconds=-1))
        raw = str(ticket)
    if state == "spent":
        tickets.spend(Ticket(raw.encode()))  # type: ignore[arg-type]
    return forged(raw) if state == "forged" else raw


def session_of(user: User, state: str) -> str:
    """The key of a session of the user, or what is to be taken for one."""
    browser = Browser()
    browser.force_login(user)
    key = str(browser.cookies["sessionid"].value)
    if state == "expired":
        Session.objects.filter(pk=key).update(expire_date=timezone.now() - timedelta(seconds=1))
    return key[::-1] if state == "forged" else key


def forged(token: str) -> str:
    """The token with the signature of another one."""
    head, body, signature = token.split(".")
    return ".".join([head, body, signature[::-1]])


def prepare(by: str, state: str) -> str:
    """The credential of a new user, to whom by now has happened what the state says."""
    user = new_user()
    make = {"ticket": ticket_of, "session": session_of}.get(by, token_of)
    secret = make(user, state)
    if state in ENDS:
        ENDS[state](user)
    return secret


def show(client: Client, by: str, secret: str, origin: str | None) -> None:
    """Have the client show the credential by these means and no others, as a page of ``origin``; None: as no page."""
    headers = {} if origin is None else {"Origin": origin}
    query = {}
    if by == "header":
        headers["Authorization"] = f"Bearer {secret}"
    if by == "session":
        csrf = getattr(client, "csrf", "")
        headers |= {"Cookie": f"sessionid={secret}; csrftoken={csrf}", "X-CSRFToken": csrf}
    if by == "subprotocol":
        assert isinstance(client, SocketClient)
        client.offers = ["realtime.v1", f"bearer.{secret}"]
    if by in ("query", "ticket"):
        query["token" if by == "query" else "ticket"] = secret
    client.headers = lambda: headers  # type: ignore[method-assign]
    client.query = lambda: query  # type: ignore[method-assign]


async def knock(client: Client) -> Answer:
    """How the client is answered."""
    try:
        async with client:
            return GOOD
    except httpx.HTTPStatusError as refused:
        status, body = refused.response.status_code, refused.response.content
    except websockets.InvalidStatus as refused:
        status, body = refused.response.status_code, bytes(refused.response.body or b"")
    answer: Frame = json.loads(body)
    assert answer.keys() == {"code", "message"}
    return status, answer["code"]


def cases() -> list[Any]:
    """(door, by, state, what is answered), for each that there is."""
    bad: dict[str, Answer] = dict.fromkeys(["forged", *ENDS], UNAUTHENTICATED)
    token = {"good": GOOD, "expired": EXPIRED, "of another kind": UNAUTHENTICATED, **bad}
    ticket = token | {"spent": UNAUTHENTICATED}
    session = {"good": GOOD, "expired": UNAUTHENTICATED, **bad}
    states = {**dict.fromkeys(TOKENS, token), "ticket": ticket, "session": session}
    return [
        pytest.param(door, by, state, answer, id=f"{door.name}-{by}-{state}")
        for door, by in WAYS
        for state, answer in states[by].items()
    ]


@pytest.mark.parametrize(("door", "by", "state", "answer"), cases())
async def test_each_credential_is_answered_at_each_door_by_what_it_is_worth(
    server: LiveServer, door: type[Client], by: str, state: str, answer: Answer
) -> None:
    client = door(server.url, "")
    show(client, by, await work(prepare, by, state), server.url if by == "session" else None)

    assert await knock(client) == answer


@pytest.mark.parametrize(("door", "by"), WAYS, ids=lambda part: getattr(part, "name", part))
async def test_a_page_of_another_origin_gets_in_by_no_credential_and_spends_none(
    server: LiveServer, door: type[Client], by: str
) -> None:
    secret = await work(prepare, by, "good")

    answers = []
    for origin in (ELSEWHERE, "null", server.url):
        client = door(server.url, "")
        show(client, by, secret, origin)
        answers.append(await knock(client))

    assert answers == [FORBIDDEN, FORBIDDEN, GOOD]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
async def test_a_session_without_a_page_is_refused(server: LiveServer, door: type[Client]) -> None:
    client = door(server.url, "")
    show(client, "session", await work(prepare, "session", "good"), None)

    assert await knock(client) == FORBIDDEN


async def test_a_session_acknowledges_nothing_without_the_pages_own_token(server: LiveServer) -> None:
    client = AckClient(server.url, "")
    client.csrf = ""
    show(client, "session", await work(prepare, "session", "good"), server.url)

    assert await knock(client) == FORBIDDEN


async def test_where_the_query_takes_no_tokens_everything_else_is_taken(start_server: Start) -> None:
    server = start_server(realtime={"QUERY_TOKEN": False})

    answers = {}
    for door, by in WAYS:
        client = door(server.url, "")
        show(client, by, await work(prepare, by, "good"), server.url if by == "session" else None)
        answers[door.name, by] = await knock(client)

    assert answers == {(name, by): UNAUTHENTICATED if by == "query" else GOOD for name, by in answers}


OFFERED: dict[str, Callable[[User], str]] = {
    "expired": lambda user: token_of(user, "expired"),
    "forged": lambda user: token_of(user, "forged"),
    "of another kind": lambda user: token_of(user, "of another kind"),
    "a ticket": lambda user: ticket_of(user, "good"),
    "a session": lambda user: session_of(user, "good"),
    "of somebody else": lambda user: token_of(new_user(), "good"),
    "of before the sign-out": lambda user: made_before(user, signed_out),
    "of before the new password": lambda user: made_before(user, with_another_password),
}


def made_before(user: User, end: Callable[[User], object]) -> str:
    token = token_of(user, "good")
    end(user)
    return token


@pytest.mark.parametrize("offered", OFFERED)
async def test_authenticate_takes_no_token_that_no_door_would_take_and_leaves_the_connection_as_it_is(
    server: LiveServer, offered: str
) -> None:
    user = await work(new_user)
    bad = await work(OFFERED[offered], user)
    await work(user.refresh_from_db)

    async with SocketClient(server.url, access_token(user)) as client:
        refused = await client.ask("Authenticate", {"token": bad}, id=1)
        taken = await client.ask("Authenticate", {"token": access_token(user)}, id=2)

    assert (refused["type"], taken["type"]) == ("Error", "Authenticated")
    assert refused["data"]["code"] == ("forbidden" if offered == "of somebody else" else "unauthenticated")
