"""``kill -9`` of the writing process, anywhere from row to announcement: row and event both exist or neither does."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest

from accounts.models import User
from config.env import BASE_DIR
from ledger.models import Account, Balance, Transaction
from ledger.topics import account_topic
from realtime.models import Event
from realtime.threads import run_db
from tests.clients import SocketClient, access_token
from tests.live import LiveServer, variables

pytestmark = pytest.mark.django_db(transaction=True)

DEATHS = 100
LONGEST_LIFE = 0.06  # seconds after a first row: anywhere in the next ones, sequencing and announcing beside it
DELIVER_WITHIN = 2.0


def kill_writers(account: Account, seed: int) -> None:
    chance = random.Random(seed)
    command = [sys.executable, str(BASE_DIR / "tests/journeys/doomed_writer.py"), str(account.pk)]
    with subprocess.Popen(
        command, env=variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=BASE_DIR
    ) as host:
        assert host.stdin is not None
        assert host.stdout is not None
        for _ in range(DEATHS):
            host.stdin.write("go\n")
            host.stdin.flush()
            first, second = host.stdout.readline(), host.stdout.readline()
            child = int(first if second == "writing\n" else second)
            time.sleep(chance.uniform(0, LONGEST_LIFE))  # the moment of death, not a wait for something
            os.kill(child, signal.SIGKILL)
            assert host.stdout.readline() == "ended\n"
        host.stdin.close()
        assert host.wait(30) == 0


async def heard_by(client: SocketClient, expected: Callable[[], int], until: asyncio.Event) -> Counter[str]:
    heard: Counter[str] = Counter()
    while not (until.is_set() and len(heard) >= await run_db(expected)):
        async with asyncio.timeout(DELIVER_WITHIN if until.is_set() else 120):
            frame = await client.next()
        if frame["type"] == "TransactionUpdate":
            heard[frame["data"]["transaction_id"]] += 1
    return heard


def test_a_hundred_killed_writers_leave_rows_with_events_and_nothing_else(
    alice: User, account: Account, live_servers: Callable[..., LiveServer]
) -> None:
    topic = str(account_topic(account.pk))
    server = live_servers(workers=1)

    async def scenario() -> Counter[str]:
        async with SocketClient(server.url, access_token(alice), topics=[topic]) as client:
            await client.next("Connected")
            dead = asyncio.Event()
            hearing = asyncio.create_task(heard_by(client, Transaction.objects.count, dead))
            await asyncio.to_thread(kill_writers, account, seed=random.randrange(2**32))
            dead.set()
            await client.send("Ping")
            return await hearing

    heard = asyncio.run(scenario())

    rows = {str(pk) for pk in Transaction.objects.values_list("pk", flat=True)}
    told = [
        json.loads(event.data)["transaction_id"]
        for event in Event.objects.filter(topic=topic, type="TransactionUpdate")
    ]
    assert len(rows) >= DEATHS
    assert Counter(told) == Counter(rows) == heard
    assert Balance.objects.get(pk=account.pk).balance == Decimal(-len(rows))
    seqs = list(Event.objects.filter(topic=topic).order_by("position").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))
