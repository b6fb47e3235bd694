"""A flood on one topic: more at once than one turn of the relay, one announcement or one page can hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from django.db import transaction
from websockets import ConnectionClosed

from accounts.models import User
from ledger.models import Account
from ledger.topics import account_topic
from realtime import log
from realtime.conf import conf
from realtime.outbox import publish
from realtime.relay import relay
from realtime.threads import run_db
from realtime.topics import Topic
from tests.clients import TRANSPORTS, Client, access_token, is_event
from tests.live import LiveServer

pytestmark = pytest.mark.django_db(transaction=True)

BURST = 10_000
PATIENCE = 150.0


def flood(topic: Topic) -> None:
    """Commit the whole burst at once."""
    with transaction.atomic():
        for number in range(BURST):
            publish("Notification", {"number": number, "text": "x" * 100}, to=[topic])


async def receive_all(kind: type[Client], url: str, topic: Topic, token: str, cursor: str) -> list[tuple[int, int]]:
    """The seq and number of every event, up to the last; who is too slow comes back with the cursor."""
    found: list[tuple[int, int]] = []
    while not found or found[-1][1] != BURST - 1:
        try:
            async with kind(url, token, topics=[topic], cursor=cursor) as client:
                while not found or found[-1][1] != BURST - 1:
                    frame = await client.next(timeout=PATIENCE)
                    assert frame["type"] != "Reset"
                    if is_event(frame):
                        found.append((frame["seq"], frame["data"]["number"]))
                    cursor = client.cursor or cursor
        except ConnectionClosed as closed:
            if closed.rcvd is None or closed.rcvd.code != 4410:
                raise
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_events_at_once_on_one_topic_come_complete_and_in_order_by_every_transport(
    alice: User, account: Account, live_servers: Callable[..., LiveServer]
) -> None:
    topic, token = account_topic(account.pk), access_token(alice)
    relay.stop(PATIENCE)
    start, (_, before) = log.present_cursor(), log.heads([topic])
    server = live_servers(workers=2)

    async def scenario() -> list[list[tuple[int, int]]]:
        receiving = [asyncio.create_task(receive_all(kind, server.url, topic, token, start)) for kind in TRANSPORTS * 2]
        await run_db(flood, topic)
        return await asyncio.gather(*receiving)

    everywhere = asyncio.run(scenario())

    expected = [(before[topic] + 1 + number, number) for number in range(BURST)]
    assert [found == expected for found in everywhere] == [True] * len(TRANSPORTS) * 2
    entries, place = [], log.place_of(topic, before[topic])
    assert place is not None
    while page := log.read(place, topics=[topic]).entries:
        entries += page
        place = page[-1].position
    assert [(entry.seq, json.loads(entry.data)["number"]) for entry in entries] == expected
    assert conf.SEQUENCE_BATCH < BURST > conf.PAGE
    relay.stop(PATIENCE)
