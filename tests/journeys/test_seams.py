"""Where two things meet: joining and growth, replay and pruning, a restore and open connections, two projects."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.db import connections, transaction
from django.utils import timezone

from accounts.models import User
from ledger.models import Account
from ledger.topics import account_topic
from realtime import log, pruning
from realtime.announcer import MESSAGE_TYPE
from realtime.conf import conf
from realtime.outbox import publish
from realtime.protocol.entry import Batch, Entry, encode_batch
from realtime.relay import relay
from realtime.seal import seal
from realtime.threads import run_db
from tests.clients import SocketClient, access_token, is_event
from tests.journeys.dumps import dump, restore
from tests.live import LiveServer

pytestmark = pytest.mark.django_db(transaction=True)

GROWTH = 3000  # entries that a log grows by while clients join, at least
JOINS = 24
LAST = 10**9  # the number of the last of them, written when all have joined


def settings_of(**realtime: Any) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": "tests.contract.server_settings", "TEST_REALTIME": json.dumps(realtime)}


def tell(topic: Any, first: int, count: int, *, each: int = 50) -> None:
    """Publish ``count`` events, ``each`` of them per transaction."""
    for start in range(first, first + count, each):
        with transaction.atomic():
            for number in range(start, min(start + each, first + count)):
                publish("Notification", {"number": number}, to=[topic])


def sequence_all() -> None:
    while log.waiting() is not None:
        log.sequence()


@contextmanager
def growing(topic: Any, enough: threading.Event) -> Iterator[None]:
    """Let the log grow beside what happens, as fast as it will, until it is enough; then write the last entry."""

    def grow() -> None:
        number = 0
        while number < GROWTH or not enough.is_set():
            tell(topic, number, 50)
            number += 50
        tell(topic, LAST, 1)
        connections.close_all()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def seqs(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["seq"] for frame in frames if is_event(frame)]


async def numbers_until(client: SocketClient, last: int) -> list[int]:
    """The numbers that come, until the last one has."""
    found: list[int] = []
    while not found or found[-1] != last:
        frame = await client.next(timeout=60)
        if frame["type"] == "Notification":
            found.append(frame["data"]["number"])
    return found


def test_who_joins_while_the_log_grows_misses_and_repeats_nothing(
    alice: User, account: Account, live_servers: Callable[..., LiveServer]
) -> None:
    topic = account_topic(account.pk)
    sequence_all()
    start = log.present_cursor()
    server = live_servers(workers=2)
    token = access_token(alice)
    all_have_joined = threading.Event()
    joined: list[SocketClient] = []

    async def join(stack: AsyncExitStack, cursor: str | None) -> list[int]:
        client = await stack.enter_async_context(SocketClient(server.url, token, topics=[topic], cursor=cursor))
        connected = await client.next("Connected")
        before = connected["data"]["topics"][topic]
        joined.append(client)
        if len(joined) == JOINS:
            all_have_joined.set()
        await numbers_until(client, LAST)
        newest = seqs(client.frames)
        return [] if newest == list(range(before + 1, newest[-1] + 1)) else newest

    async def scenario() -> list[list[int]]:
        async with AsyncExitStack() as stack:
            joins = []
            for _ in range(JOINS // 2):
                joins += [asyncio.create_task(join(stack, cursor)) for cursor in (start, None)]
                await asyncio.sleep(0.05)  # spread over the growth; nothing waits for this
            return await asyncio.gather(*joins)

    with growing(topic, all_have_joined):
        wrong = asyncio.run(scenario())

    assert wrong == [[]] * JOINS


def test_pruning_in_the_middle_of_a_replay_is_a_reset_and_never_a_hole(
    alice: User, account: Account, live_servers: Callable[..., LiveServer]
) -> None:
    topic = account_topic(account.pk)
    sequence_all()
    start = log.present_cursor()
    tell(topic, 0, 2000)
    sequence_all()
    newest = log.heads([topic])[1][topic]
    server = live_servers(environment=settings_of(PAGE=5, TAIL_EVENTS=1))

    async def scenario() -> list[dict[str, Any]]:
        async with SocketClient(server.url, access_token(alice), topics=[topic], cursor=start) as client:
            await client.events(20)
            await run_db(pruning.prune, timezone.now() + timedelta(seconds=1))
            await run_db(tell, topic, 9000, 1)
            await numbers_until(client, 9000)
            return client.frames

    frames = asyncio.run(scenario())

    resets = [number for number, frame in enumerate(frames) if frame["type"] == "Reset"]
    assert len(resets) == 1
    before, reset, after = seqs(frames[: resets[0]]), frames[resets[0]]["data"], seqs(frames[resets[0] :])
    assert reset["reason"] == "trimmed"
    assert before == list(range(before[0], before[0] + len(before)))
    assert len(before) < 2000
    assert reset["topics"][topic] in {newest, newest + 1}
    assert after == list(range(reset["topics"][topic] + 1, newest + 2))


def test_a_restored_dump_resets_open_connections_and_old_cursors(
    alice: User, account: Account, live_servers: Callable[..., LiveServer], tmp_path: Path
) -> None:
    topic = account_topic(account.pk)
    tell(topic, 0, 10)
    sequence_all()
    saved = dump(tmp_path)
    server = live_servers(workers=2)
    token = access_token(alice)

    async def scenario() -> None:
        async with SocketClient(server.url, token, topics=[topic]) as client:
            await client.next("Connected")
            await run_db(tell, topic, 100, 5)
            await numbers_until(client, 104)
            lost = client.cursor
            await asyncio.to_thread(restore, saved)

            reset = await client.next("Reset")
            assert reset["data"]["reason"] == "epoch"
            here = reset["data"]["topics"][topic]
            await run_db(tell, topic, 200, 8)  # past the place where the lost ones stood
            assert await numbers_until(client, 207) == list(range(200, 208))
            assert seqs(client.frames)[-8:] == list(range(here + 1, here + 9))

        async with SocketClient(server.url, token, topics=[topic], cursor=lost) as late:
            assert (await late.next("Connected", "Reset"))["type"] == "Connected"
            assert (await late.next())["type"] == "Reset"

    asyncio.run(scenario())


def test_two_projects_on_one_redis_do_not_hear_each_other(
    alice: User, account: Account, redis_server: Any, live_servers: Callable[..., LiveServer]
) -> None:
    topic = account_topic(account.pk)
    sequence_all()
    server = live_servers()

    async def foreign_words() -> None:
        layer = get_channel_layer()
        place = log_position + 1
        entry = Entry(place, topic, 1, "00000000-0000-7000-8000-000000000000", "Notification", '{"number": -1}', "t")
        for batch in (Batch("another", place, place, [entry]), Batch("another", 10**9, 10**9)):
            await layer.group_send(conf.GROUP, seal({"type": MESSAGE_TYPE, "batch": encode_batch(batch)}))
        for rubbish in ({"type": MESSAGE_TYPE, "batch": b"\xc1"}, {"type": MESSAGE_TYPE}, {"type": "x"}, {}):
            await layer.group_send(conf.GROUP, rubbish)
            await layer.group_send(conf.GROUP, seal({"type": "", **rubbish}))
        await layer.flush()

    async def scenario() -> list[int]:
        async with SocketClient(server.url, access_token(alice), topics=[topic]) as client:
            await client.next("Connected")
            await foreign_words()
            await run_db(tell, topic, 0, 3)
            await numbers_until(client, 2)
            return [frame["data"]["number"] for frame in client.frames if frame["type"] == "Notification"]

    log_position = log.head().position
    numbers = asyncio.run(scenario())

    assert numbers == [0, 1, 2]


@pytest.fixture(autouse=True)
def _no_relay_left() -> Iterator[None]:
    """What a test published is sequenced before its tables are emptied."""
    yield
    relay.stop(5)
