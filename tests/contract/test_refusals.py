"""Who is not let in is told so in the same words by every transport, and in close codes where a page asks for them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
import websockets
from django.test import Client as Browser

from ledger.services import credits as credit
from tests.clients import TIMEOUT, Client, SocketClient, access_token
from tests.contract.world import World, drained, money, work
from tests.live import LiveServer

pytestmark = pytest.mark.once


def refused() -> Any:
    """Expect that a client is not let in."""
    return pytest.raises((httpx.HTTPStatusError, websockets.InvalidStatus))


def answer_of(refusal: Any) -> tuple[int, dict[str, str]]:
    """Status and body of a refusal."""
    answer = refusal.value.response
    body = answer.content if isinstance(answer, httpx.Response) else answer.body
    return answer.status_code, json.loads(body)


@pytest.mark.parametrize(
    ("credential", "status", "code"),
    [("none", 401, "unauthenticated"), ("rubbish", 401, "unauthenticated"), ("expired", 401, "token_expired")],
)
async def test_a_missing_bad_or_expired_credential_is_refused_with_401_on_every_transport(
    server: LiveServer, world: World, transport: type[Client], credential: str, status: int, code: str
) -> None:
    token = {"none": "", "rubbish": "x.y.z", "expired": access_token(world.alice, timedelta(seconds=-1))}[credential]
    client = transport(server.url, token)
    if credential == "none":
        client.headers = dict  # type: ignore[method-assign]

    with refused() as refusal:
        await client.open()

    body = answer_of(refusal)[1]
    assert answer_of(refusal)[0] == status
    assert body.keys() == {"code", "message"}
    assert body["code"] == code


@pytest.mark.parametrize(
    ("case", "close_code", "code"),
    [
        ("rubbish", 4501, "unauthenticated"),
        ("expired", 4401, "token_expired"),
        ("forbidden topic", 4505, "forbidden"),
        ("unknown path", 4505, "forbidden"),
        ("malformed cursor", 4500, "bad_message"),
    ],
)
async def test_a_page_may_ask_to_be_refused_by_a_close_code(
    server: LiveServer, world: World, case: str, close_code: int, code: str
) -> None:
    token = access_token(world.alice)
    if case == "rubbish":
        token = "rubbish"
    if case == "expired":
        token = access_token(world.alice, timedelta(seconds=-1))
    client = SocketClient(
        server.url,
        token,
        path="/ws/nowhere" if case == "unknown path" else "/ws",
        topics=[world.user_topic("bob")] if case == "forbidden topic" else [],
        cursor="rubbish" if case == "malformed cursor" else None,
        extra="&refuse=close",
    )

    async with client:
        assert await client.close_code() == close_code

    (error,) = client.frames
    assert error.keys() == {"type", "data"}
    assert error["data"]["code"] == code


@pytest.mark.parametrize("path", ["/", "/wss", "/ws/family", "/ws/family/", "/ws/a/b/c", "/api/v1/stream", "/v2/ws"])
async def test_a_socket_at_an_unknown_address_is_refused_like_a_forbidden_topic(
    server: LiveServer, world: World, path: str
) -> None:
    known = SocketClient(server.url, access_token(world.alice), topics=["staff"])
    unknown = SocketClient(server.url, access_token(world.alice), path=path)

    with refused() as first:
        await known.open()
    with refused() as second:
        await unknown.open()

    assert answer_of(first) == answer_of(second)
    assert answer_of(second)[0] == 403


@pytest.mark.parametrize("by", ["header", "query", "ticket", "session"])
async def test_every_transport_takes_every_credential(
    server: LiveServer, world: World, transport: type[Client], by: str
) -> None:
    await work(spend_credit, world)
    await drained()  # a ticket is good for one poll: what it is to bring is there
    client = transport(server.url, "", topics=[world.user_topic("alice")], cursor=world.start)
    present(client, by, await credential(server, world, by))

    async with client:
        (event,) = await client.events(1)

    assert event["data"]["user_id"] == str(world.alice.pk)


async def test_a_token_among_the_subprotocols_is_taken_and_never_echoed(server: LiveServer, world: World) -> None:
    client = SocketClient(server.url, "")
    client.offers = ["realtime.v1", f"bearer.{access_token(world.alice)}"]
    present(client, "nothing else", "")

    async with client:
        greeting = await client.next("Connected")

    assert greeting["data"]["user_id"] == str(world.alice.pk)
    assert client.socket.subprotocol == "realtime.v1"


async def test_a_ticket_is_good_once_on_any_transport(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    ticket = await credential(server, world, "ticket")
    first = SocketClient(server.url, "", topics=[])
    second = transport(server.url, "", topics=[])
    present(first, "ticket", ticket)
    present(second, "ticket", ticket)

    async with first:
        with refused() as refusal:
            await second.open()

    assert answer_of(refusal)[0] == 401


@pytest.mark.parametrize(("origin", "status"), [("https://elsewhere.example", 403), ("null", 403), ("", 200)])
async def test_a_page_of_another_origin_is_refused_whatever_the_credential(
    server: LiveServer, world: World, transport: type[Client], origin: str, status: int
) -> None:
    client = transport(server.url, access_token(world.alice))
    own = client.headers()
    client.headers = lambda: own | {"Origin": origin or server.url}  # type: ignore[method-assign]

    if status == 200:
        async with client:
            return
    with refused() as refusal:
        await client.open()

    status_code, body = answer_of(refusal)
    assert (status_code, body["code"]) == (status, "forbidden")


async def credential(server: LiveServer, world: World, by: str) -> str:
    """Alice's credential of a kind, obtained as a client does."""
    token = access_token(world.alice)
    if by == "ticket":
        async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, trust_env=False) as http:
            answer = await http.post("/api/v1/realtime/tickets", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["expires_in"]) == (200, 30)
        return str(answer.json()["ticket"])
    if by == "session":
        browser = Browser()
        await work(browser.force_login, world.alice)
        return str(browser.cookies["sessionid"].value)
    return token


def spend_credit(world: World) -> None:
    """Have something happen on alice's own topic."""
    credit.change(world.alice, money("1"), "reward")


def present(client: Client, by: str, secret: str) -> None:
    """Have the client show a credential by these means and no others."""
    headers: dict[str, str] = {}
    query = dict(client.query())
    if by == "header":
        headers = {"Authorization": f"Bearer {secret}"}
    if by == "session":
        headers = {"Cookie": f"sessionid={secret}", "Origin": client.url}
    if by in ("query", "ticket"):
        query["token" if by == "query" else "ticket"] = secret
    client.headers = lambda: headers  # type: ignore[method-assign]
    client.query = lambda: query  # type: ignore[method-assign]
