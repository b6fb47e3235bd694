"""What fails beside a connection that is live ends it: one that went on would lack something, and never know."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.db import OperationalError
from pytest_django import Settings

from accounts.models import Family, User
from accounts.sessions import sign_out
from accounts.topics import user_topic
from config.asgi import application
from ledger.models import Account, AccountShare
from ledger.topics import account_topic
from realtime import log, topics
from realtime.hubs import hub
from realtime.protocol.cursor import Cursor
from realtime.threads import run_db
from realtime.transports import commands, connection, seated
from realtime.transports.consumer import CLOSE_GRACE, RealtimeConsumer
from tests.realtime.admitting import token_of
from tests.realtime.recorder import announce, fill, grow, restore, sequence, tell, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet")]

PATIENCE = 30


@pytest.fixture
async def served() -> AsyncIterator[None]:
    """This process serves sockets; afterwards it follows nothing any more."""
    yield
    await hub().follower.stop()


@pytest.fixture
def private(family: Family, alice: User) -> Account:
    account = Account.objects.create(family=family, owner=alice, name="Own", currency="EUR", is_private=True)
    sequence()
    return account


@dataclass
class Held:
    """A topic's taking up that waits: ``asked`` once it is under way, until ``go_on``."""

    asked: Event = field(default_factory=Event)
    go_on: Event = field(default_factory=Event)


@pytest.fixture
def taking_up(monkeypatch: pytest.MonkeyPatch) -> Held:
    held, came_of = Held(), commands._came_of

    def waits(*arguments: Any) -> Any:
        held.asked.set()
        held.go_on.wait(PATIENCE)
        return came_of(*arguments)

    monkeypatch.setattr(commands, "_came_of", waits)
    return held


@asynccontextmanager
async def socket(user: User, cursor: str = "", server: Any = application) -> AsyncIterator[WebsocketCommunicator]:
    """Connect to the ASGI application, or to a ``server`` that runs it its own way."""
    token = await run_db(token_of, user)
    headers = [(b"host", b"testserver"), (b"authorization", f"Bearer {token}".encode())]
    opened = WebsocketCommunicator(server, f"/ws?cursor={cursor}" if cursor else "/ws", headers=headers)
    assert (await opened.connect(timeout=PATIENCE))[0] is True
    yield opened
    await opened.disconnect(timeout=PATIENCE)


def reads_or_closes(*, takes: int | None = None) -> Any:
    """A server that, as granian, sends no close while ``receive`` is waited for; ``takes`` so many messages in all."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        reading, sent = asyncio.Lock(), itertools.count()

        async def read() -> Any:
            async with reading:
                return await receive()

        async def write(message: Any) -> None:
            if message["type"] == "websocket.close":
                async with reading:
                    await send(message)
            else:
                if takes is not None and next(sent) >= takes:
                    await asyncio.Event().wait()
                await send(message)

        await application(scope, read, write)

    return run


async def next_of(opened: WebsocketCommunicator, type: str) -> dict[str, Any]:
    while (frame := await opened.receive_json_from(timeout=PATIENCE))["type"] != type:
        pass
    return dict(frame)


async def closed(opened: WebsocketCommunicator) -> tuple[int, str]:
    """How the server closes, whatever it sends before."""
    while (message := await opened.receive_output(timeout=PATIENCE))["type"] != "websocket.close":
        pass
    return message["code"], message["reason"]


@pytest.mark.parametrize(
    ("error", "close"),
    [(OperationalError("gone"), (1012, "unavailable")), (RuntimeError("a fault"), (1011, "internal"))],
    ids=["of the database", "of ours"],
)
async def test_a_gained_topic_that_cannot_be_taken_up_is_had_by_coming_back(
    error: Exception,
    close: tuple[int, str],
    served: None,
    charlie: User,
    private: Account,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    came_of, errors = commands._came_of, [error]

    def fails_once(*arguments: Any) -> Any:
        if errors:
            raise errors.pop()
        return came_of(*arguments)

    monkeypatch.setattr(commands, "_came_of", fails_once)
    async with socket(charlie) as first:
        cursor = (await next_of(first, "Connected"))["data"]["cursor"]
        await run_db(lambda: AccountShare.objects.create(account=private, user=charlie))
        await announce(hub())
        ended = await closed(first)

    async with socket(charlie, cursor) as again:
        subscribed = await next_of(again, "Subscribed")

    assert ended == close
    assert subscribed["data"]["topic"] == account_topic(private.pk)


@pytest.mark.parametrize(
    ("error", "close"),
    [(OperationalError("gone"), (1012, "unavailable")), (RuntimeError("a fault"), (1011, "internal"))],
    ids=["of the database", "of ours"],
)
async def test_who_cannot_be_looked_at_again_is_not_left_hearing_nothing(
    error: Exception, close: tuple[int, str], served: None, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any) -> Any:
        raise error

    async with socket(charlie) as opened:
        await next_of(opened, "Connected")
        await run_db(sequence)
        monkeypatch.setattr(seated, "recheck", fails)
        await run_db(sign_out, charlie.pk)
        await announce(hub())

        assert await closed(opened) == close


async def test_a_close_is_sent_by_a_server_that_sends_none_while_it_is_asked_what_the_client_says(
    served: None, charlie: User
) -> None:
    async with socket(charlie, server=reads_or_closes()) as opened:
        await next_of(opened, "Connected")
        await run_db(sequence)
        await run_db(sign_out, charlie.pk)
        await announce(hub())
        async with asyncio.timeout(CLOSE_GRACE / 2):
            ended = await closed(opened)

    assert ended == (4503, "signed_out")


async def test_a_slow_client_gets_its_last_word_from_such_a_server_too(
    served: None, charlie: User, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "UNSENT_SECONDS": 0.1}
    accepted_and_greeted = 2
    async with socket(charlie, server=reads_or_closes(takes=accepted_and_greeted)) as opened:
        await next_of(opened, "Connected")
        await opened.send_json_to({"command": "Ping"})
        async with asyncio.timeout(CLOSE_GRACE / 2):
            ended = await closed(opened)

    assert ended == (4410, "too_slow")


async def test_who_was_looked_at_again_is_not_closed_for_its_silence_in_the_replay(
    served: None, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = connection.replay

    async def lasting(here: Any, member: Any, *arguments: Any) -> None:
        if again:  # as if it had begun an hour ago
            member.heard = member.next_ping = member.loop.time() - 3600
        await replay(here, member, *arguments)

    again: list[bool] = []
    monkeypatch.setattr(connection, "replay", lasting)
    monkeypatch.setattr(RealtimeConsumer, "who", lambda self: User.objects.get(pk=charlie.pk))
    async with socket(charlie) as opened:
        await next_of(opened, "Connected")
        await until(lambda: bool(hub().members.everybody()))
        (member,) = hub().members.everybody()
        again.append(True)
        await run_db(sign_out, charlie.pk)
        await announce(hub())
        await until(lambda: hub().has(member))

        member.beat(member.loop.time())

        assert member.is_open


async def test_who_is_looked_at_again_because_history_changed_is_reset(
    served: None, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RealtimeConsumer, "who", lambda self: User.objects.get(pk=charlie.pk))
    own = [user_topic(charlie.pk)]
    async with socket(charlie) as opened:
        await next_of(opened, "Connected")
        await until(lambda: bool(hub().members.everybody() and hub().follower._doubt._waiters))
        await grow(hub(), 1, 2, to=own)
        while (await next_of(opened, "Note"))["data"]["n"] != 2:
            pass

        def restore_and_grow() -> None:
            restore(log.head().position - 2)
            fill(11, 12, 13, to=own)
            sign_out(charlie.pk)
            sequence()

        await run_db(restore_and_grow)
        hub().follower._doubt.set()

        assert (await opened.receive_json_from(timeout=PATIENCE))["type"] == "Reset"


async def test_nothing_from_behind_a_gain_is_sent_before_it_is_said(
    served: None, charlie: User, private: Account, taking_up: Held
) -> None:
    """Else who is cut off in between comes back from behind it, and is never told to fetch what they were given."""
    async with socket(charlie) as first:
        cursor = (await next_of(first, "Connected"))["data"]["cursor"]
        await run_db(lambda: AccountShare.objects.create(account=private, user=charlie))
        await announce(hub())
        await run_db(lambda: tell(1, to=[user_topic(charlie.pk)]))
        await announce(hub())
        await first.send_json_to({"command": "Ping"})
        while (frame := await first.receive_json_from(timeout=PATIENCE))["type"] != "Pong":
            cursor = frame.get("cursor", cursor)
        taking_up.go_on.set()

    async with socket(charlie, cursor) as again:
        await next_of(again, "Connected")
        subscribed = await again.receive_json_from(timeout=PATIENCE)

    assert (subscribed["type"], subscribed["data"].get("topic")) == ("Subscribed", account_topic(private.pk))


async def test_who_is_given_a_topic_is_told_and_then_sent_all_from_there_in_the_order_of_the_log(
    served: None, charlie: User, private: Account
) -> None:
    def give() -> None:
        AccountShare.objects.create(account=private, user=charlie)
        tell(1, to=[user_topic(charlie.pk)])
        tell(2, to=[account_topic(private.pk)])
        tell(3, to=[user_topic(charlie.pk)])

    async with socket(charlie) as opened:
        await next_of(opened, "Connected")
        await run_db(give)
        await announce(hub())
        frames = [await opened.receive_json_from(timeout=PATIENCE)]
        while frames[-1]["data"].get("n") != 3:
            frames.append(await opened.receive_json_from(timeout=PATIENCE))

    subscribed, *events = frames
    assert (subscribed["type"], subscribed["data"]["replayed"]) == ("Subscribed", 0)
    assert [each["data"]["n"] for each in events if each["type"] == "Note"] == [1, 2, 3]
    places = [Cursor.parse(each["cursor"]).position for each in events]
    assert places == sorted(set(places))
    on_it = [each["seq"] for each in events if each["topic"] == account_topic(private.pk)]
    assert on_it == list(range(subscribed["data"]["seq"] + 1, subscribed["data"]["seq"] + 1 + len(on_it)))


@pytest.mark.parametrize("at_once", [True, False], ids=["from memory at once", "page by page"])
async def test_what_is_given_while_something_else_is_taken_up_is_taken_up_before_what_comes_after_it(
    at_once: bool,
    served: None,
    family: Family,
    charlie: User,
    private: Account,
    monkeypatch: pytest.MonkeyPatch,
    taking_up: Held,
) -> None:
    def give_another() -> Account:
        other = Account.objects.create(
            family=family, owner=private.owner, name="Other", currency="EUR", is_private=True
        )
        AccountShare.objects.create(account=other, user=charlie)
        tell(1, to=[user_topic(charlie.pk)])
        tell(2, to=[account_topic(other.pk)])
        return other

    if not at_once:
        monkeypatch.setattr("realtime.hub.fits", lambda *arguments: False)
    async with socket(charlie) as opened:
        await next_of(opened, "Connected")
        await run_db(lambda: AccountShare.objects.create(account=private, user=charlie))
        await announce(hub())
        await until(taking_up.asked.is_set)
        other = await run_db(give_another)
        await announce(hub())
        taking_up.go_on.set()
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["data"].get("n") != 2:
            frames.append(await opened.receive_json_from(timeout=PATIENCE))

    told = [
        each["data"].get("n", each["data"].get("topic")) for each in frames if each["type"] in ("Subscribed", "Note")
    ]
    assert told == [account_topic(private.pk), account_topic(other.pk), 1, 2]


async def test_a_topic_that_is_asked_for_while_another_is_given_is_had_as_well(
    served: None, charlie: User, private: Account, taking_up: Held
) -> None:
    async with socket(charlie) as opened:
        await next_of(opened, "Connected")
        await run_db(lambda: AccountShare.objects.create(account=private, user=charlie))
        await announce(hub())
        await until(taking_up.asked.is_set)
        topic = user_topic(charlie.pk)
        await opened.send_json_to({"command": "Subscribe", "data": {"topic": topic}, "id": "1"})
        taking_up.go_on.set()
        given = await next_of(opened, "Subscribed")
        named = await next_of(opened, "Subscribed")

    assert [each["data"]["topic"] for each in (given, named)] == [account_topic(private.pk), topic]


def test_what_is_taken_away_between_two_looks_at_what_came_of_a_gain_is_neither_forgotten_nor_kept(
    charlie: User, private: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    AccountShare.objects.create(account=private, user=charlie)
    topic, readable = account_topic(private.pk), topics.readable

    def readable_for_the_last_time(*arguments: Any) -> Any:
        found = readable(*arguments)
        AccountShare.objects.all().delete()
        return found

    monkeypatch.setattr(topics, "readable", readable_for_the_last_time)
    between = commands._came_of(charlie, [topic], log.head().position)
    afterwards = commands._came_of(charlie, [topic], log.head().position)

    assert (set(between.seqs), set(between.lost)) == ({topic}, set())  # its loss is in the log, and is replayed
    assert (set(afterwards.seqs), set(afterwards.lost)) == (set(), {topic})
