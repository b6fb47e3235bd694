"""Whoever goes beyond a limit gets the documented answer, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets

from realtime.conf import Settings
from tests.clients import MSGPACK, Client, PollClient, SocketClient, StreamClient, access_token
from tests.contract.conftest import Start
from tests.contract.other_servers import BODIES, HEADS, SILENCE, needs
from tests.contract.world import World, gateway, spend, work
from tests.live import LiveServer

pytestmark = pytest.mark.once

USER, STREAMS, ADDRESS = 3, 2, 6
KEYS, PATIENCE, BURST = 10, 2.0, 5
PROXY_LIMITS = {"MAX_ADDRESS_CONNECTIONS": ADDRESS, "MAX_USER_CONNECTIONS": USER, "MAX_USER_STREAMS": STREAMS}


@pytest.fixture(scope="module")
def narrow(start_server: Start) -> LiveServer:
    """A server with little room, behind a proxy on this machine."""
    limits = {
        **PROXY_LIMITS,
        "MAX_KEYS": KEYS,
        "UNAUTHENTICATED_SECONDS": PATIENCE,
        "USER_POLL_RATE": 1,
        "USER_POLL_BURST": BURST,
    }
    return start_server(realtime=limits, environment={"PROXIES": "127.0.0.1"})


def from_address(client: Client, address: str) -> Client:
    """The same client, as the proxy says where it is."""
    headers = {**client.headers(), "X-Forwarded-For": address}
    client.headers = lambda: headers  # type: ignore[method-assign]
    return client


@asynccontextmanager
async def connected(*clients: Client) -> AsyncIterator[None]:
    """Have all of them connected, and greeted."""
    async with AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(client)
            await client.next("Connected")
        yield


async def refusal_of(client: Client) -> tuple[int, str, str | None]:
    """Status, code and Retry-After with which a client is not let in."""
    with pytest.raises((httpx.HTTPStatusError, websockets.InvalidStatus)) as refusal:
        await client.open()
    answer: Any = refusal.value.response  # type: ignore[union-attr]
    body = answer.content if isinstance(answer, httpx.Response) else answer.body
    return answer.status_code, json.loads(body)["code"], answer.headers.get("Retry-After")


def sockets(server: LiveServer, world: World, who: str, count: int) -> list[SocketClient]:
    return [gateway(server, world, world.user_topic(who), who=who) for _ in range(count)]


def of_addresses(clients: list[SocketClient], network: str) -> list[Client]:
    return [from_address(client, f"{network}.{number}") for number, client in enumerate(clients)]


async def test_a_users_connections_end_at_their_limit_and_nobody_elses(narrow: LiveServer, world: World) -> None:
    alices = of_addresses(sockets(narrow, world, "alice", USER), "198.51.100")
    (one_more,) = of_addresses(sockets(narrow, world, "alice", 1), "198.51.101")
    (bobs,) = of_addresses(sockets(narrow, world, "bob", 1), "198.51.102")

    async with connected(*alices):
        assert await refusal_of(one_more) == (429, "too_many_connections", "30")
        async with connected(bobs):
            pass
    async with connected(one_more):
        pass


async def test_a_page_that_asks_is_closed_with_4430(narrow: LiveServer, world: World) -> None:
    alices = of_addresses(sockets(narrow, world, "alice", USER), "198.51.110")
    page = from_address(SocketClient(narrow.url, access_token(world.alice), extra="&refuse=close"), "198.51.111.1")
    assert isinstance(page, SocketClient)

    async with connected(*alices), page:
        assert await page.close_code() == 4430

    assert page.frames[0]["data"]["code"] == "too_many_connections"


async def test_a_users_streams_end_at_a_limit_of_their_own(narrow: LiveServer, world: World) -> None:
    def stream(number: int) -> Client:
        return from_address(StreamClient(narrow.url, access_token(world.alice)), f"198.51.103.{number}")

    (socket,) = of_addresses(sockets(narrow, world, "alice", 1), "198.51.104")

    async with connected(*(stream(number) for number in range(STREAMS))):
        assert await refusal_of(stream(99)) == (429, "too_many_connections", "30")
        async with connected(socket):
            pass


async def test_an_addresses_connections_end_at_their_limit_and_no_other_addresses(
    narrow: LiveServer, world: World
) -> None:
    here = [*sockets(narrow, world, "alice", USER), *sockets(narrow, world, "bob", USER)]
    there = "203.0.113.7"

    async with connected(*(from_address(client, there) for client in here)):
        refused = await refusal_of(from_address(sockets(narrow, world, "vera", 1)[0], there))
        async with connected(from_address(sockets(narrow, world, "vera", 1)[0], "203.0.113.8")):
            pass

    assert refused == (429, "too_many_connections", "30")


async def test_polls_end_at_their_rate_and_nobody_elses_do(narrow: LiveServer, world: World) -> None:
    poll = PollClient(narrow.url, access_token(world.alice), topics=[world.user_topic("alice")])
    other = PollClient(narrow.url, access_token(world.bob), topics=[world.user_topic("bob")])

    async with poll, other:
        with pytest.raises(httpx.HTTPStatusError) as refusal:
            for _ in range(3 * BURST):
                await poll.poll()
        await other.poll()

    answer = refusal.value.response
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("subprotocol", [None, MSGPACK])
async def test_json_with_too_many_keys_is_an_error_and_the_connection_goes_on(
    narrow: LiveServer, world: World, subprotocol: str | None
) -> None:
    params = {str(number): number for number in range(KEYS)}
    client = SocketClient(narrow.url, access_token(world.vera), subprotocol=subprotocol)

    async with from_address(client, "203.0.113.20"):
        await client.send("Request", {"resource": "accounts", "params": params})
        error = await client.next("Error")
        assert (await client.ask("Ping"))["type"] == "Pong"

    assert error["data"]["code"] == "bad_json"
    assert f"more than {KEYS} keys" in error["data"]["message"]


@pytest.mark.parametrize(
    "half",
    [
        pytest.param(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n", id="handshake", marks=needs(HEADS)),
        pytest.param(
            b"POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", id="body", marks=needs(BODIES)
        ),
    ],
)
async def test_half_a_request_is_not_waited_for(narrow: LiveServer, half: bytes) -> None:
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=5 * PATIENCE) as client:
        client.sendall(half)
        answer = await asyncio.to_thread(rest_of, client)

    assert answer.startswith(b"HTTP/1.1 408 ") or answer == b""


@needs(SILENCE)
async def test_a_connection_that_says_nothing_is_not_kept_and_one_that_was_let_in_is(
    narrow: LiveServer, world: World
) -> None:
    quiet = from_address(gateway(narrow, world, world.account_topic), "203.0.113.40")
    stream = from_address(StreamClient(narrow.url, access_token(world.bob)), "203.0.113.41")
    async with connected(quiet, stream):
        with socket.create_connection(("127.0.0.1", narrow.port), timeout=5 * PATIENCE) as client:
            assert await asyncio.to_thread(rest_of, client) == b""

        await work(spend, world)
        await quiet.events(2)
        await stream.events(2)


def rest_of(client: socket.socket) -> bytes:
    """Whatever comes until the server closes."""
    parts = []
    while part := client.recv(4096):
        parts.append(part)
    return b"".join(parts)


async def test_half_requests_keep_nobody_waiting(narrow: LiveServer, world: World) -> None:
    halves = [socket.create_connection(("127.0.0.1", narrow.port)) for _ in range(200)]
    try:
        for half in halves:
            half.sendall(b"GET /ws HTTP/1.1\r\n")
        async with from_address(gateway(narrow, world, world.account_topic), "203.0.113.30") as client:
            await work(spend, world)
            await client.events(2, timeout=5)
    finally:
        for half in halves:
            half.close()


LEASE = 6
PAIR: dict[str, Any] = {"realtime": {"MAX_USER_CONNECTIONS": USER, "COUNT_LEASE": LEASE}}


@pytest.fixture(scope="module")
def survivor(start_server: Start) -> LiveServer:
    """A process that hears of others."""
    return start_server(**PAIR)


@pytest.fixture(scope="module")
def mortal(start_server: Start) -> LiveServer:
    """Another one on the same log."""
    return start_server(**PAIR)


@pytest.fixture
def victim(mortal: LiveServer) -> Iterator[LiveServer]:
    """That one, whatever a test does to it: ours has a supervisor that replaces it, and others have none."""
    yield mortal
    if not mortal.is_running:
        mortal.close()
        mortal.start()


async def until(server: LiveServer, world: World, status: int, *, seconds: float = 20) -> SocketClient:
    """Come again and again, and leave, until that is what the server answers; return the client that it was said to."""
    async with asyncio.timeout(seconds):
        while True:
            (client,) = sockets(server, world, "alice", 1)
            try:
                await client.open()
                found = 101
            except websockets.InvalidStatus as refused:
                found = refused.response.status_code
            except OSError:  # nobody listens, or the process was killed in the middle of it
                found = 0
            if found == status:
                return client
            if found == 101:
                await client.close()
            await asyncio.sleep(0.05)


async def test_a_limit_holds_for_all_processes_together(survivor: LiveServer, victim: LiveServer, world: World) -> None:
    async with connected(*sockets(survivor, world, "alice", USER - 1), *sockets(victim, world, "alice", 1)):
        await until(survivor, world, 429)
        await until(victim, world, 429)

    for server in (survivor, victim):  # and their seats are free again
        await (await until(server, world, 101)).close()


@pytest.mark.timeout(180)  # its two servers may have to be started first
async def test_a_killed_process_leaves_no_count_behind_for_longer_than_its_lease(
    survivor: LiveServer, victim: LiveServer, world: World
) -> None:
    clients = sockets(victim, world, "alice", USER)
    async with AsyncExitStack() as stack:
        for client in clients:
            await client.open()
            stack.push_async_exit(client)
        await until(survivor, world, 429)
        began = time.monotonic()

        os.kill(clients[0].server_process(), signal.SIGKILL)
        await until(survivor, world, 429)  # for as long as nobody knows that it is dead
        stack.push_async_exit(await until(survivor, world, 101, seconds=60))

    assert time.monotonic() - began < LEASE + 2


def test_the_defaults_are_those_that_were_agreed() -> None:
    given = Settings()

    assert (given.MAX_MESSAGE, given.MAX_SUBSCRIPTIONS) == (64 * 1024, 128)
    assert (given.MAX_USER_CONNECTIONS, given.MAX_ADDRESS_CONNECTIONS) == (10, 50)


async def test_a_token_among_the_subprotocols_counts_like_any_other(narrow: LiveServer, world: World) -> None:
    alices = of_addresses(sockets(narrow, world, "alice", USER), "198.51.120")

    one_more = SocketClient(narrow.url, "")
    one_more.offers = ["realtime.v1", f"bearer.{access_token(world.alice)}"]
    one_more.headers = lambda: {"X-Forwarded-For": "198.51.121.1"}  # type: ignore[method-assign]

    async with connected(*alices):
        assert (await refusal_of(one_more))[0] == 429
