"""The Python client against the real server: whatever becomes of the line, each event comes once and in order.

It is not what the other tests listen with: theirs, tests/clients.py, is the checker and shares no line with it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Family, User
from accounts.sessions import sign_out
from clients.python.realtime_client import Event, RealtimeClient, RealtimeError, State, Status, Timing
from config.env import BASE_DIR
from ledger.models import Account, Notification, Transaction
from realtime import log
from realtime.models import Receipt
from realtime.protocol.cursor import Cursor
from realtime.threads import run_db
from tests.browser.proxy import Proxy
from tests.clients import access_token
from tests.live import LiveServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

TRANSPORTS = ("websocket", "sse", "polling")
IMPATIENT = Timing(
    back_off=(0.1, 0.2, 0.4),
    climb=(0.3, 0.6),
    steady=0.2,
    greeting={"websocket": 20, "sse": 2, "polling": 20},
    shortest_keep=1.0,
)
WITHIN = 60.0


@pytest.fixture
def account(alice: User, family: Family) -> Account:
    """The family's account, which Alice owns."""
    return Account.objects.create(family=family, owner=alice, name="Everyday", type="checking", currency="EUR")


@pytest.fixture
def proxy(running_server: LiveServer) -> Iterator[Proxy]:
    """What the client takes for the server."""
    with Proxy(running_server.port) as proxy:
        yield proxy


async def spend(account: Account, *descriptions: str) -> None:
    """Write a transaction for each description, in this process, which is none of the server's."""
    for description in descriptions:
        await run_db(
            lambda text=description: Transaction.objects.create(
                account=account, amount="-1.00", description=text, date="2026-01-02"
            )
        )


class Listener:
    """A client that is iterated over beside the test, and everything it was given."""

    def __init__(self, client: RealtimeClient) -> None:
        self.client = client
        self.events: list[Event] = []
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Take everything."""
        async for event in self.client:
            self.events.append(event)
            self._news.set()

    @property
    def told(self) -> list[str]:
        """The descriptions of the transactions that it was told of."""
        return [event.data["data"]["description"] for event in self.events if event.type == "TransactionUpdate"]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds that events make true."""
        async with asyncio.timeout(WITHIN):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def was_told(self, *descriptions: str) -> None:
        """Wait for the last of them, and see that each came once and in order."""
        await self.until(lambda: descriptions[-1] in self.told)
        assert self.told == list(descriptions)


class Watch:
    """Hears of a client's line; its states may be waited for."""

    def __init__(self) -> None:
        self.seen: list[Status] = []
        self._changed = asyncio.Event()

    def __call__(self, status: Status) -> None:
        self.seen.append(status)
        self._changed.set()

    async def live(self, transport: str) -> None:
        """Wait until the line is live over a transport."""
        async with asyncio.timeout(WITHIN):
            while not self.seen or (self.seen[-1].state, self.seen[-1].transport) != (State.LIVE, transport):
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def listening(url: str, user: User, **options: Any) -> AsyncIterator[tuple[Listener, Watch]]:
    """Alice's client, live, and iterated over."""
    watch = Watch()
    options = {"timing": IMPATIENT, "get_token": lambda refresh: access_token(user), **options}
    async with RealtimeClient(url, on_status=watch, trust_env=False, **options) as client:
        listener = Listener(client)
        task = asyncio.create_task(listener.listen())
        try:
            yield listener, watch
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_happens_comes_as_typed_events_in_order_and_the_cursor_goes_along(
    transport: str, alice: User, account: Account, running_server: LiveServer
) -> None:
    async with listening(running_server.url, alice, transports=[transport]) as (listener, watch):
        await watch.live(transport)
        await spend(account, "One", "Two", "Three")
        await listener.was_told("One", "Two", "Three")
        logged = [event for event in listener.events if event.seq is not None]
        ours = [event for event in logged if event.topic == f"family:{account.family_id}"]
        cursor = listener.client.cursor

    assert [event.seq for event in ours] == list(range(ours[0].seq or 0, (ours[0].seq or 0) + len(ours)))
    assert all(event.id and event.cursor and event.timestamp and not event.wants_ack for event in ours)
    # The place is behind what was taken: from there the next client goes on.
    await spend(account, "Four")
    async with listening(running_server.url, alice, transports=[transport], cursor=cursor) as (listener, watch):
        await listener.until(lambda: "Four" in listener.told)
        assert "Two" not in listener.told


async def test_a_client_that_is_cut_falls_and_climbs_and_misses_nothing(
    alice: User, account: Account, proxy: Proxy
) -> None:
    async with listening(proxy.url, alice) as (listener, watch):
        await watch.live("websocket")
        await spend(account, "On the socket")
        proxy.refuses_upgrades = True
        proxy.cut()
        await spend(account, "Between")
        await watch.live("sse")
        await spend(account, "On the stream")
        await listener.was_told("On the socket", "Between", "On the stream")

        proxy.refuses_streams = True
        proxy.cut()
        await spend(account, "Between again")
        await watch.live("polling")
        await spend(account, "Polled")
        await listener.was_told("On the socket", "Between", "On the stream", "Between again", "Polled")

        proxy.refuses_streams = proxy.refuses_upgrades = False
        await watch.live("websocket")
        await spend(account, "Back up")
        await listener.was_told("On the socket", "Between", "On the stream", "Between again", "Polled", "Back up")


async def test_whatever_is_cut_and_blocked_while_much_is_written_each_event_comes_once_and_in_order(
    alice: User, account: Account, proxy: Proxy
) -> None:
    names = [f"Number {number}" for number in range(120)]

    async with listening(proxy.url, alice) as (listener, watch):
        await watch.live("websocket")
        writing = asyncio.create_task(spend(account, *names))
        for turn in range(6):
            proxy.refuses_upgrades, proxy.refuses_streams = turn % 2 == 0, turn % 3 == 0
            proxy.cut()
            seen = len(listener.told)
            await listener.until(lambda seen=seen: len(listener.told) > min(seen + 8, len(names) - 1))
        await writing

        await listener.was_told(*names)


async def test_behind_a_proxy_that_holds_streams_back_it_polls(alice: User, account: Account, proxy: Proxy) -> None:
    proxy.buffers_streams = True

    async with listening(proxy.url, alice, transports=["sse", "polling"]) as (listener, watch):
        await watch.live("polling")
        await spend(account, "Polled")

        await listener.was_told("Polled")


async def test_a_server_that_was_killed_is_come_back_to(
    alice: User, account: Account, running_server: LiveServer
) -> None:
    server = running_server
    async with listening(server.url, alice) as (listener, watch):
        await watch.live("websocket")
        await spend(account, "Before")
        await listener.was_told("Before")

        server.kill()
        await spend(account, "While away")
        server.close()
        await asyncio.to_thread(server.start)
        await listener.was_told("Before", "While away")

    assert State.WAITING in [status.state for status in watch.seen]


async def test_a_program_that_runs_longer_than_its_token_is_never_shut_out(
    alice: User, account: Account, running_server: LiveServer
) -> None:
    """Over every transport, beside each other: each waits for most of two tokens' lives."""
    async with asyncio.TaskGroup() as group:
        for transport in TRANSPORTS:
            group.create_task(outlive_two_tokens(transport, alice, account, running_server.url))


async def outlive_two_tokens(transport: str, alice: User, account: Account, url: str) -> None:
    """Listen over one transport until the third token has been asked for."""
    given: list[bool] = []
    third = asyncio.Event()

    def give(refresh: bool) -> str:
        given.append(refresh)
        if len(given) == 3:
            third.set()
        return access_token(alice, timedelta(seconds=6))

    async with listening(url, alice, transports=[transport], get_token=give) as (listener, watch):
        await watch.live(transport)
        async with asyncio.timeout(WITHIN):
            await third.wait()
        await spend(account, f"Still here, {transport}")
        await listener.until(lambda: f"Still here, {transport}" in listener.told)

    # Asked for anew before the end of each: the line was live throughout.
    assert given[:3] == [False, True, True]
    assert {status.state for status in watch.seen[:-1]} <= {State.CONNECTING, State.LIVE}
    assert [status.state for status in watch.seen].count(State.CONNECTING) == 1


def elsewhere() -> str:
    """A cursor of another history."""
    here = Cursor.parse(log.present_cursor())
    return Cursor("elsewhere", here.position, here.check).encode()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_place_that_is_worth_nothing_has_the_state_fetched_between_two_events(
    transport: str, alice: User, account: Account, running_server: LiveServer
) -> None:
    order: list[str] = []
    cursor = await run_db(elsewhere)

    async def fetch(reset: Any) -> None:
        order.append(reset["reason"])
        if len(order) == 1:
            raise ConnectionError("no snapshot yet")

    client = RealtimeClient(
        running_server.url,
        get_token=lambda refresh: access_token(alice),
        transports=[transport],
        cursor=cursor,
        get_snapshot=fetch,
        trust_env=False,
        timing=IMPATIENT,
    )
    async with asyncio.timeout(WITHIN), client:
        with pytest.raises(ConnectionError):
            await anext(client)
        await spend(account, "After")
        # Asked again: without a snapshot nothing is told.
        while (event := await anext(client)).type != "TransactionUpdate":
            continue
        order.append(event.data["data"]["description"])

    assert order == ["epoch", "epoch", "After"]


async def test_without_a_snapshot_to_fetch_the_reset_itself_is_told(alice: User, running_server: LiveServer) -> None:
    cursor = await run_db(elsewhere)

    async with listening(running_server.url, alice, cursor=cursor) as (listener, _):
        await listener.until(lambda: listener.events)

    assert (listener.events[0].type, listener.events[0].data["reason"]) == ("Reset", "epoch")
    assert listener.client.cursor == listener.events[0].data["cursor"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_it_asks_subscribes_and_acknowledges_over_every_transport(
    transport: str, alice: User, account: Account, running_server: LiveServer
) -> None:
    async with listening(running_server.url, alice, transports=[transport], auto_ack=True) as (listener, watch):
        await watch.live(transport)
        answer = await listener.client.request("accounts")
        subscribed = await listener.client.subscribe(f"account:{account.pk}")
        with pytest.raises(RealtimeError) as unknown:
            await listener.client.request("nonsense")
        with pytest.raises(RealtimeError) as forbidden:
            await listener.client.subscribe("staff")
        await run_db(lambda: Notification.objects.create(user=alice, level="info", title="Read this", message="Please"))
        await spend(account, "After it")
        await listener.until(lambda: "After it" in listener.told)
        notice = next(event for event in listener.events if event.type == "Notification")
        async with asyncio.timeout(WITHIN):
            while not await run_db(Receipt.objects.filter(event_id=notice.id).exists):
                await asyncio.sleep(0.02)

    assert [row["name"] for row in answer["result"]] == ["Everyday"]
    assert subscribed["topic"] == f"account:{account.pk}"
    assert (unknown.value.code, forbidden.value.code) == ("unknown_resource", "forbidden")
    # On two topics, told once.
    assert listener.told == ["After it"]
    assert notice.wants_ack


async def test_who_is_signed_out_is_told_so_and_stays_away(alice: User, running_server: LiveServer) -> None:
    watch = Watch()
    token = access_token(alice)
    client = RealtimeClient(
        running_server.url, get_token=lambda refresh: token, on_status=watch, trust_env=False, timing=IMPATIENT
    )
    async with asyncio.timeout(WITHIN), client:
        await watch.live("websocket")
        await run_db(lambda: sign_out(alice.pk))
        with pytest.raises(RealtimeError) as refused:
            while True:
                await anext(client)
        with pytest.raises(StopAsyncIteration):
            await anext(client)

    assert (refused.value.close_code, refused.value.needs_sign_in) == (4503, True)
    assert [status.state for status in watch.seen if status.state != State.CONNECTING][-1] == State.STOPPED


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_token_that_is_none_is_refused_for_good(transport: str, running_server: LiveServer) -> None:
    client = RealtimeClient(
        running_server.url, get_token=lambda refresh: "rubbish", transports=[transport], trust_env=False
    )

    async with asyncio.timeout(WITHIN), client:
        with pytest.raises(RealtimeError) as refused:
            await anext(client)

    assert refused.value.close_code == 4501


async def test_a_program_may_ask_while_far_more_waits_for_it_than_is_read_ahead(
    alice: User, account: Account, running_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer stands behind what waits, and what waits is not read before the program has its answer."""
    monkeypatch.setattr("clients.python.realtime_client.inbox.MOST_WAITING", 5)
    names = [f"Number {number}" for number in range(40)]
    told: list[str] = []
    watch = Watch()
    client = RealtimeClient(
        running_server.url,
        get_token=lambda refresh: access_token(alice),
        transports=["websocket"],
        on_status=watch,
        trust_env=False,
    )

    async with asyncio.timeout(WITHIN), client:
        await watch.live("websocket")
        await spend(account, *names)
        async for event in client:
            if event.type == "TransactionUpdate":
                told.append(event.data["data"]["description"])
                await client.request("credit_balance")
            if told[-1:] == names[-1:]:
                break

    assert told == names


def test_it_needs_neither_django_nor_the_rest_of_the_project() -> None:
    program = "import sys, realtime_client; sys.exit(any(name in sys.modules for name in ('django', 'realtime')))"

    done = subprocess.run([sys.executable, "-c", program], cwd=BASE_DIR / "clients" / "python", check=False)

    assert done.returncode == 0


def test_a_transport_that_there_is_none_of_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ValueError, match="carrier pigeon.*websocket, sse, polling"):
        RealtimeClient("http://127.0.0.1", transports=["carrier pigeon"])
