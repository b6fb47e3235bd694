"""The end of a user's sessions, and a credential that is newer than the end but meets the news of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed

from accounts.models import Family, User
from accounts.sessions import sign_out
from realtime import log
from realtime.relay import relay
from realtime.threads import run_db
from tests.clients import SocketClient, StreamClient
from tests.live import LiveServer
from tests.realtime.admitting import token_of

pytestmark = pytest.mark.django_db(transaction=True)

# A server that leaves the outbox alone, so that news come exactly when the test lets them.
NEVER_TICKS = {"DJANGO_SETTINGS_MODULE": "tests.contract.server_settings", "TEST_REALTIME": '{"TICK": 600}'}


def sequence_and_announce() -> None:
    """What a relay does, when the test wants it done."""
    while (batch := log.sequence()) is not None:
        relay._announcer.announce(batch)


def rename(family: Family, name: str) -> None:
    fresh = Family.objects.get(pk=family.pk)
    fresh.name = name
    fresh.save()
    sequence_and_announce()


@pytest.mark.parametrize("transport", [SocketClient, StreamClient])
def test_a_credential_from_after_the_sign_out_outlives_the_late_news_of_it(
    transport: type[SocketClient] | type[StreamClient],
    alice: User,
    family: Family,
    sleeping_relay: None,
    live_servers: Callable[..., LiveServer],
) -> None:
    sequence_and_announce()
    server = live_servers(environment=NEVER_TICKS)

    async def scenario() -> None:
        async with SocketClient(server.url, await run_db(token_of, alice)) as before:
            await before.next("Connected")
            await run_db(sign_out, alice.pk)
            async with transport(server.url, await run_db(token_of, alice)) as after:
                await after.next("Connected")

                await run_db(sequence_and_announce)

                with pytest.raises(ConnectionClosed) as closed:
                    await before.next("Nothing")
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4503
                await run_db(rename, family, "still here")
                event = await after.next("FamilyUpdate")
                assert event["data"]["data"]["name"] == "still here"
                assert [frame["type"] for frame in after.frames if "seq" in frame] == ["FamilyUpdate"]

    asyncio.run(scenario())
