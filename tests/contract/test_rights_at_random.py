"""Writers, removers and subscribers at once, at random: the log itself says what each may have been sent.

Where each stands in the log is known: so is, for every event, who had a right to it at that place. Whatever was sent
beyond that is a leak, however it came: live, replayed or polled, from a process that hears or from one that does not.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import pytest
import websockets
from django.db import IntegrityError

from accounts.models import Membership, User
from accounts.topics import family_topic
from ledger.models import Account, AccountShare, Payee, Transaction
from ledger.topics import account_topic
from realtime import log, topics
from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Entry
from tests.clients import TRANSPORTS, Client, Frame, SocketClient, access_token, is_event
from tests.contract.conftest import Start
from tests.contract.world import drained, make_world, money, open_account, work
from tests.live import LiveServer

SECONDS = 4.0
AT_LATEST = 40.0  # seconds a slow machine has until enough was heard
ENOUGH = 40  # events of what comes and goes
OPENING = 10.0
MEMBERS = 5
WRITERS = 2
LONGEST_STAY = 0.6


@dataclass
class Stage:
    """A family, some of whose members come and go, and accounts that are now everybody's and now somebody's."""

    owner: User
    family_id: object
    accounts: list[Account]
    members: list[User]
    start: str  # the cursor from before anybody came or went
    began: float = 0.0
    heard: int = 0

    @property
    def topics(self) -> list[str]:
        """Those that are lost and gained."""
        return [str(family_topic(self.family_id)), *(str(account_topic(each.pk)) for each in self.accounts)]

    @property
    def is_over(self) -> bool:
        """Whether time enough has passed, and enough of it was heard that the test has something to judge."""
        lasted = time.monotonic() - self.began
        return lasted > AT_LATEST or (lasted > SECONDS and self.heard > ENOUGH)


def set_up() -> Stage:
    world = make_world()
    accounts = [open_account(world.family, world.alice, f"Account {number}") for number in range(2)]
    members = [User.objects.create(username=f"{world.alice.username}-{number}") for number in range(MEMBERS)]
    for user in members:
        Membership.objects.create(family=world.family, user=user, role="member")
    while log.waiting() is not None:
        time.sleep(0.01)
    return Stage(world.alice, world.family.pk, accounts, members, log.present_cursor())


def change_rights(stage: Stage, seed: int) -> None:
    """Take and give rights, by every way, until it is over."""
    chance = random.Random(seed)

    def membership() -> object:
        return Membership.objects.filter(family=stage.family_id, user=chance.choice(stage.members))

    def come_or_go() -> None:
        membership().update(is_active=chance.random() < 0.6)

    def hide_or_show() -> None:
        Account.objects.filter(pk=chance.choice(stage.accounts).pk).update(is_private=chance.random() < 0.5)

    def share_or_not() -> None:
        pair = {"account": chance.choice(stage.accounts), "user": chance.choice(stage.members)}
        if not AccountShare.objects.filter(**pair).delete()[0]:
            with suppress(IntegrityError):  # another has just shared the same
                AccountShare.objects.create(**pair)

    ways: list[Callable[[], None]] = [come_or_go, come_or_go, hide_or_show, share_or_not]
    while not stage.is_over:
        chance.choice(ways)()
        time.sleep(chance.uniform(0, 0.05))


def write(stage: Stage, seed: int) -> None:
    """Write what only some may see, until it is over."""
    chance = random.Random(seed)
    while not stage.is_over:
        account = chance.choice(stage.accounts)
        Transaction.objects.create(account=account, amount=money("-1"), description=f"{seed} {chance.random()}")
        if chance.random() < 0.2:
            Payee.objects.create(family_id=stage.family_id, name=f"{seed} {chance.random()}")
        time.sleep(chance.uniform(0, 0.02))


@dataclass
class Subscriber:
    """A member who comes by any transport, with a new cursor, an old one or none, and asks for what may be lost."""

    user: User
    token: str
    urls: list[str]
    stage: Stage
    seed: int
    frames: list[Frame] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    cursor: str | None = None

    async def stay_until(self, done: Callable[[], bool]) -> None:
        chance = random.Random(self.seed)
        while not done():
            cursor = chance.choice([self.cursor, self.cursor, self.stage.start, None])
            client = chance.choice(TRANSPORTS)(chance.choice(self.urls), self.token, cursor=cursor)
            stay = chance.uniform(0.05, LONGEST_STAY)
            try:
                async with asyncio.timeout(stay if chance.random() < 0.2 else OPENING):  # some are cut while they open
                    await client.open()
                async with asyncio.timeout(stay):
                    await self._listen(client, chance)
            except (TimeoutError, httpx.HTTPStatusError, websockets.WebSocketException) as error:
                self.failures[repr(error)] += 1
            self.frames += client.frames
            self.stage.heard += sum(is_event(frame) and frame["topic"] in self.stage.topics for frame in client.frames)
            self.cursor = client.cursor or self.cursor
            with suppress(Exception):
                await client.cut()

    async def _listen(self, client: Client, chance: random.Random) -> None:
        while True:
            if isinstance(client, SocketClient) and chance.random() < 0.3:
                after = chance.choice([None, 0, chance.randrange(50)])
                data = {"topic": chance.choice(self.stage.topics), **({} if after is None else {"after": after})}
                await client.send("Subscribe", data)
            await client.next()


def rights(stage: Stage, user: User, entries: list[Entry]) -> dict[str, list[tuple[int, bool]]]:
    """For each topic the places at which the user's right to it changed, in order, as the log says."""
    held: dict[str, list[tuple[int, bool]]] = {topic: [(0, True)] for topic in stage.topics}
    for entry in entries:
        if entry.topic == f"control:{user.pk}" and entry.type == "RightsChanged":
            change = json.loads(entry.data)
            for word, has_right in (("lost", False), ("gained", True)):
                for topic in change.get(word, []):
                    held.setdefault(topic, []).append((entry.position, has_right))
    return held


def may_have(held: list[tuple[int, bool]], position: int) -> bool:
    """Whether the user had the right at this place of the log."""
    return [has_right for at, has_right in held if at <= position][-1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
async def test_nobody_is_sent_what_the_log_says_they_had_no_right_to(
    server: LiveServer, start_server: Start, seed: int
) -> None:
    deaf = start_server(environment={"REDIS_URL": ""})
    stage = await work(set_up)
    subscribers = [
        Subscriber(user, access_token(user), [server.url, deaf.url], stage, seed + number)
        for number, user in enumerate(stage.members)
    ]
    stage.began = time.monotonic()
    hands = [asyncio.to_thread(in_a_thread, change_rights, stage, seed + 100 + number) for number in range(2)]
    hands += [asyncio.to_thread(in_a_thread, write, stage, seed + 200 + number) for number in range(WRITERS)]
    working = asyncio.gather(*hands)
    await asyncio.gather(*(each.stay_until(working.done) for each in subscribers))
    await working
    await drained()
    entries = await work(everything_since, stage.start)
    places = {(entry.topic, entry.id): entry.position for entry in entries}

    counted: dict[str, int] = defaultdict(int)
    for subscriber in subscribers:
        held = rights(stage, subscriber.user, entries)
        for frame in filter(is_event, subscriber.frames):
            position = places.get((frame["topic"], frame["id"]))
            if position is None or frame["topic"] not in held:
                continue  # from before, or not of what comes and goes
            assert may_have(held[frame["topic"]], position), (str(subscriber.user), frame, held[frame["topic"]])
            counted["may have"] += 1
        lost = [topic for topic in stage.topics if not held[topic][-1][1]]
        can_read = await work(topics.readable, subscriber.user, stage.topics)
        assert not set(lost) & can_read, f"the log's last word and the rows differ for {subscriber.user}"
        assert all(topic in lost for topic in held if topic in stage.topics and topic not in can_read), subscriber.user
        counted["lost"] += len(lost)
        counted["changes"] += sum(len(changes) - 1 for changes in held.values())
    assert counted["may have"] > 20, [subscriber.failures for subscriber in subscribers]
    assert counted["changes"] > 5


def everything_since(cursor: str) -> list[Entry]:
    """All that the log holds behind a cursor."""
    return log.read(Cursor.parse(cursor).position, limit=100_000).entries


def in_a_thread(work_of: Callable[[Stage, int], None], stage: Stage, seed: int) -> None:
    """Do it on a connection of this thread's own."""
    from django.db import connection

    try:
        work_of(stage, seed)
    finally:
        connection.close()
