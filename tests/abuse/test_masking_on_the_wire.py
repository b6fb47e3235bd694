"""Every type of event, to everybody, on every transport: its declared fields, no others, and no secret among them."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from ledger.models import Account
from ledger.services import notices
from ledger.topics import account_topic
from realtime.asyncapi import event_forms
from realtime.models import Event, Outgoing
from realtime.protocol import envelopes
from tests.abuse.village import live, settle
from tests.clients import MSGPACK, Client, PollClient, SocketClient, StreamClient, access_token
from tests.contract.world import drained, work
from tests.live import LiveServer

# Said by processes to each other, and of them to staff: no family's doing.
EPHEMERAL = {"PresenceUpdate", "OperationsFigures", "RowsChanged", "Alert"}

SORTS: dict[str, Any] = {
    "websocket": SocketClient,
    "messagepack": lambda url, token: SocketClient(url, token, subprotocol=MSGPACK),
    "sse": StreamClient,
    "polling": PollClient,
}

ANSWERS: dict[str, type[msgspec.Struct]] = {
    name: getattr(envelopes, name) for name in ("Connected", "Subscribed", "Unsubscribed", "Response", "Reset", "Error")
}


@pytest.mark.parametrize("sort", SORTS)
async def test_nobody_is_sent_a_field_that_is_not_declared_nor_a_secret_that_is_not_theirs(
    server: LiveServer, sort: str
) -> None:
    village = await work(settle)
    await drained()
    async with AsyncExitStack() as stack:
        clients: dict[str, Client] = {}
        for role, person in village.people.items():
            client = SORTS[sort](server.url, access_token(person))
            clients[role] = await stack.enter_async_context(client)
        await work(live, village)
        last = str((await work(notices.send, "the last word")).pk)
        for client in clients.values():
            await client.wait_for(lambda frame: frame.get("data", {}).get("notification_id") == last)
            if isinstance(client, SocketClient):
                await ask_for_everything(client, [str(each.pk) for each in (village.common, village.private)])
    heard = {role: client.frames for role, client in clients.items()}

    for role, frames in heard.items():
        assert village.leaked(json.dumps(frames, ensure_ascii=False), role) == [], role
        for frame in frames:
            check_fields(frame)
    told = {frame["type"] for frames in heard.values() for frame in frames}
    assert set(event_forms()) - EPHEMERAL - told == set()
    assert village.private.name in json.dumps(heard["guest"])
    stored = "".join(await work(everything_stored))
    assert [number for number in await work(numbers) if number in stored] == []


async def ask_for_everything(client: SocketClient, accounts: list[str]) -> None:
    """Errors and snapshots are sent too."""
    for id in accounts:
        await client.ask("Subscribe", {"topic": str(account_topic(id)), "after": 0}, id=f"s {id}")
        for resource in ("account_balance", "transactions"):
            await client.ask("Request", {"resource": resource, "params": {"account_id": id}}, id=f"{resource} {id}")
    await client.ask("Request", {"resource": "accounts"}, id="accounts")
    await client.ask("Request", {"resource": "nothing", "params": {"x": accounts[0]}}, id="nothing")


def check_fields(frame: dict[str, Any]) -> None:
    """The envelope and its data have the announced fields, and nothing else."""
    form = event_forms().get(frame["type"])
    if form is None:
        declared = ANSWERS[frame["type"]]
        assert frame.keys() - {"type"} <= set(declared.__struct_fields__), frame
        return
    assert frame.keys() <= set(envelopes.Event.__struct_fields__) | {"type"}, frame
    assert isinstance(form.data, type)
    assert msgspec.to_builtins(msgspec.convert(frame["data"], form.data)) == frame["data"], frame


def everything_stored() -> list[str]:
    """What the log and the outbox hold, as text."""
    return [*Event.objects.values_list("data", flat=True), *Outgoing.objects.values_list("data", flat=True)]


def numbers() -> list[str]:
    """Every account's number."""
    return list(Account.objects.exclude(number="").values_list("number", flat=True))
