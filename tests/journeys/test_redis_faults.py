"""Redis killed, frozen, flushed, or not there at all: a matter of latency, never of truth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from accounts.models import User
from config.services.redis import RedisServer
from ledger.models import Account
from ledger.topics import account_topic
from tests.clients import SocketClient, access_token
from tests.live import LiveServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

SOCKETS = 4  # enough to be on both workers
WRITES = 12  # in each of the three phases: before, during and after the fault
ANSWER_WITHIN = 1.0
DELIVER_WITHIN = 2.0


class Journal:
    """What was written, when it was answered, and when each socket heard of it."""

    def __init__(self) -> None:
        self.answered: dict[str, float] = {}
        self.durations: list[float] = []
        self.heard: list[dict[str, float]] = []

    def delays(self) -> list[float]:
        """Seconds from each answer to each socket."""
        return [heard[pk] - at for heard in self.heard for pk, at in self.answered.items()]


async def write(server: LiveServer, token: str, account_id: str, journal: Journal) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        for number in range(WRITES):
            begin = time.monotonic()
            answer = await http.post(
                "/api/v1/transactions",
                json={"account_id": account_id, "amount": "-1.00", "description": f"{number}"},
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status_code == 201, answer.text
            journal.answered[answer.json()["id"]] = time.monotonic()
            journal.durations.append(time.monotonic() - begin)


async def listen(client: SocketClient, topic: str, heard: dict[str, float], seqs: list[int]) -> None:
    while True:
        frame = await client.next("TransactionUpdate", "AccountBalanceUpdate", timeout=120)
        if frame["topic"] != topic:
            continue
        seqs.append(frame["seq"])
        if frame["type"] == "TransactionUpdate":
            heard.setdefault(frame["data"]["transaction_id"], time.monotonic())


async def until_heard(journal: Journal) -> None:
    async with asyncio.timeout(30):
        while any(journal.answered.keys() - heard.keys() for heard in journal.heard):
            await asyncio.sleep(0.01)


async def run(
    server: LiveServer, token: str, account: Account, break_it: Callable[[], None], heal_it: Callable[[], None]
) -> tuple[Journal, list[list[int]]]:
    topic = str(account_topic(account.pk))
    journal, seqs = Journal(), [[] for _ in range(SOCKETS)]
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        listeners = []
        for number in range(SOCKETS):
            client = await stack.enter_async_context(SocketClient(server.url, token, topics=[topic]))
            await client.next("Connected")
            journal.heard.append({})
            listeners.append(group.create_task(listen(client, topic, journal.heard[number], seqs[number])))
        for fault in (lambda: None, break_it, heal_it):
            await asyncio.to_thread(fault)
            await write(server, token, str(account.pk), journal)
            await until_heard(journal)
        for listener in listeners:
            assert not listener.done()
            listener.cancel()
    return journal, seqs


def assert_nothing_was_missed(journal: Journal, seqs: list[list[int]]) -> None:
    assert len(journal.answered) == 3 * WRITES
    assert all(heard.keys() == journal.answered.keys() for heard in journal.heard)
    assert all(each == list(range(each[0], each[0] + len(each))) for each in seqs)
    assert max(journal.durations) < ANSWER_WITHIN
    assert max(journal.delays()) < DELIVER_WITHIN


@pytest.mark.parametrize("fault", ["killed", "frozen", "flushed"])
def test_a_redis_that_fails_delays_and_never_loses(
    fault: str, alice: User, account: Account, redis_server: RedisServer, live_servers: Callable[..., LiveServer]
) -> None:
    server = live_servers(workers=2)
    break_it, heal_it = {
        "killed": (redis_server.kill, redis_server.start),
        "frozen": (redis_server.freeze, redis_server.thaw),
        "flushed": (redis_server.flush, redis_server.flush),
    }[fault]

    journal, seqs = asyncio.run(run(server, access_token(alice), account, break_it, heal_it))

    assert_nothing_was_missed(journal, seqs)


def test_a_redis_that_is_absent_at_the_start_is_not_missed(
    alice: User, account: Account, redis_server: RedisServer, live_servers: Callable[..., LiveServer]
) -> None:
    redis_server.kill()
    server = live_servers(workers=2)

    journal, seqs = asyncio.run(run(server, access_token(alice), account, lambda: None, redis_server.start))

    assert_nothing_was_missed(journal, seqs)
