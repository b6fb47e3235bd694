"""Each right that is taken away is gone within two seconds: everywhere, by whatever way, with Redis or without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from accounts.models import Membership, User
from config.services.redis import RedisServer
from ledger.models import Account, Transaction
from tests.clients import TIMEOUT, Client, PollClient, SocketClient, access_token
from tests.contract.changes import CHANGES, Change, Stage, set_up, write_afterwards
from tests.contract.conftest import Start
from tests.contract.witnesses import Witness, until, witnesses
from tests.contract.world import World, drained, gateway, money, open_account, work
from tests.live import LiveServer

pytestmark = pytest.mark.once

WITHIN = 2.0  # seconds from the commit, as the protocol promises
REFUSED = {401, 403}  # by status, of what is asked anew

Urls = list[str]


@pytest.fixture(scope="module")
def hearing(server: LiveServer, start_server: Start) -> Urls:
    """Two processes that hear of everything at once."""
    return [server.url, start_server().url]


@pytest.fixture(scope="module")
def unhearing(start_server: Start) -> Iterator[Urls]:
    """Two processes whose Redis has died under them: they know what they read, at their ticks."""
    with RedisServer() as redis:
        urls = [start_server(environment={"REDIS_URL": redis.url}).url for _ in range(2)]
        redis.kill()
        yield urls


@dataclass
class Case:
    """One change, whom it befell, and what they saw."""

    change: Change
    stage: Stage
    topics: list[str]
    token: str
    witnesses: list[Witness]
    committed: float = 0.0

    def make(self) -> None:
        """Let it happen."""
        self.change.make(self.stage)
        self.committed = time.monotonic()

    @property
    def is_known(self) -> bool:
        """Whether everybody has been told, or sent away where that is what it means."""
        return all(self._over_at(each) is not None for each in self.witnesses)

    @property
    def late(self) -> dict[str, float | None]:
        """Who was told too late, after how many seconds, or never."""
        over = {each.name: self._over_at(each) for each in self.witnesses}
        seconds = {name: None if at is None else at - self.committed for name, at in over.items()}
        return {name: took for name, took in seconds.items() if took is None or took > WITHIN}

    @property
    def wrong_ends(self) -> dict[str, int | None]:
        """Who was sent away by another code than that of access taken away, or was not and should have been."""
        ends = {each.name: each.ended for each in self.witnesses}
        right = {4503, *REFUSED} if self.change.ends else {4503, *REFUSED, None}
        return {name: end for name, end in ends.items() if end not in right}

    @property
    def leaks(self) -> list[str]:
        """Who heard what was written afterwards."""
        return [each.name for each in self.witnesses if "afterwards" in str(each.client.frames)]

    def _over_at(self, witness: Witness) -> float | None:
        if self.change.ends and witness.ended is None:
            return None
        return witness.over_at(self.topics)


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["hearing", "unhearing"])
async def test_whatever_is_taken_away_is_gone_everywhere_in_time(
    request: pytest.FixtureRequest, processes: str, db: None
) -> None:
    urls: Urls = request.getfixturevalue(processes)
    async with AsyncExitStack() as stack:
        cases = {how: await begin(stack, urls, change) for how, change in CHANGES.items()}
        await drained()
        for case in cases.values():
            await work(case.make)
        await until(lambda: all(case.is_known for case in cases.values()))
        for case in cases.values():
            await work(write_afterwards, case.stage)
        await drained()
        answers = {how: await asked_anew(urls, case) for how, case in cases.items()}
        for case in cases.values():
            for witness in case.witnesses:
                await passed(witness)

    assert {how: case.late for how, case in cases.items() if case.late} == {}
    assert {how: case.wrong_ends for how, case in cases.items() if case.wrong_ends} == {}
    assert {how: case.leaks for how, case in cases.items() if case.leaks} == {}
    assert {how: statuses for how, statuses in answers.items() if not statuses <= REFUSED} == {}


async def begin(stack: AsyncExitStack, urls: Urls, change: Change) -> Case:
    """Set a change up, with everybody there who is to see it."""
    stage = await work(set_up, change)
    topics, token = change.lost(stage), access_token(stage.victim)
    watching = await stack.enter_async_context(witnesses(urls, token, topics, stage.user_topic))
    return Case(change, stage, topics or [stage.user_topic], token, watching)


async def asked_anew(urls: Urls, case: Case) -> set[int]:
    """How the same token is answered when it asks for what was lost, by poll, stream and socket, at each process."""
    query, statuses = {"topics": ",".join(case.topics), "auto": "0"}, set()
    for url in urls:
        async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False) as http:
            http.headers["Authorization"] = f"Bearer {case.token}"
            for path in ("/api/v1/events", "/api/v1/stream"):
                statuses.add((await http.get(path, params=query)).status_code)
            if case.change.ends and not case.change.is_staff:  # who is staff no more may still sign in and use a token
                statuses.add((await http.get("/api/v1/me")).status_code)
    return statuses


async def passed(witness: Witness) -> None:
    """Have a connection that stays answer once more: behind that, nothing of before is on its way."""
    if witness.ended is None and isinstance(witness.client, SocketClient):
        await witness.client.send("Ping", id="passed")
        assert await until(lambda: any(frame.get("reply_to") == "passed" for frame in witness.client.frames))


@pytest.mark.parametrize("role", ["viewer", "member"])
async def test_a_changed_role_counts_from_the_next_request_on_every_process(
    hearing: Urls, world: World, role: str
) -> None:
    """Managers see account numbers in full, and viewers write nothing."""
    membership = Membership.objects.filter(user=world.bob)
    await work(membership.update, role="admin")
    number, before, after, written = world.account.number, set(), set(), set()
    for url in hearing:
        before.add(await number_of(url, world))
    await work(membership.update, role=role)
    for url in hearing:
        after.add(await number_of(url, world))
        written.add(await write_as_bob(url, world))

    assert before == {number}
    assert after == {f"••••{number[-4:]}"}
    assert written == ({403} if role == "viewer" else {201})


async def number_of(url: str, world: World) -> str:
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {access_token(world.bob)}"}
        return str((await http.get(f"/api/v1/accounts/{world.account.pk}", headers=headers)).json()["number"])


async def write_as_bob(url: str, world: World) -> int:
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False) as http:
        entry = {"account_id": str(world.account.pk), "amount": "-1", "description": "x"}
        headers = {"Authorization": f"Bearer {access_token(world.bob)}"}
        return (await http.post("/api/v1/transactions", json=entry, headers=headers)).status_code


async def test_a_token_that_expires_ends_every_connection_that_was_not_renewed_by_the_same_user(
    hearing: Urls, world: World
) -> None:
    token = access_token(world.bob, timedelta(seconds=3))
    async with witnesses(hearing, token, [], world.user_topic("bob")) as everybody:
        renewed, refused = (each for each in everybody if each.name.startswith("gateway"))
        for witness, owner in ((renewed, world.bob), (refused, world.alice)):
            assert isinstance(witness.client, SocketClient)
            await witness.client.send("Authenticate", {"token": access_token(owner)})
        expiring = [each for each in everybody if each is not renewed]
        await until(lambda: all(each.ended for each in expiring))

    assert {each.name: each.ended for each in expiring if each.ended not in (4401, 401)} == {}
    assert renewed.ended is None
    assert [frame["data"]["code"] for frame in refused.client.frames if frame["type"] == "Error"] == ["forbidden"]


async def test_who_became_staff_while_connected_is_closed_with_the_others_when_that_ends(
    server: LiveServer, world: World
) -> None:
    bob = User.objects.filter(pk=world.bob.pk)
    async with gateway(server, world, world.user_topic("bob"), who="bob") as client:
        await client.next("Connected")
        await work(bob.update, is_staff=True)
        await drained()
        answer = await client.ask("Subscribe", {"topic": "staff"})
        await work(bob.update, is_staff=False)

        assert answer["type"] == "Subscribed"
        assert await client.close_code() == 4503


async def test_who_comes_back_is_replayed_from_the_latest_joining_only(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    """Twice out and in again, and a cursor from before all of it."""
    account = await work(open_account, world.family, world.alice, "Ours")
    await work(come_and_go, world, account)
    await drained()
    async with transport(server.url, access_token(world.bob), cursor=world.start) as client:
        await client.wait_for(lambda frame: "the third stay" in str(frame.get("data")))

    said = {event["data"]["data"]["description"] for event in client.received if event["type"] == "TransactionUpdate"}
    assert said == {"the third stay"}


def come_and_go(world: World, account: Account) -> None:
    """Write in every stay of bob's, and while he is away."""
    membership = Membership.objects.filter(user=world.bob)
    for stay in ("the first stay", "the second stay", "the third stay"):
        membership.update(is_active=True)
        Transaction.objects.create(account=account, amount=money("-1"), description=stay)
        if stay != "the third stay":
            membership.update(is_active=False)
            Transaction.objects.create(account=account, amount=money("-1"), description="meanwhile")


async def test_a_poll_that_began_before_the_sign_out_and_reads_after_it_brings_nothing(
    server: LiveServer, world: World
) -> None:
    """Polls are many and short: whatever they race with, each is refused or brings what was written before."""
    async with PollClient(server.url, access_token(world.bob), topics=[world.family_topic]) as client:
        await work(User.objects.filter(pk=world.bob.pk).update, password="!")
        with pytest.raises(httpx.HTTPStatusError) as refusal:
            await client.poll()

    assert refusal.value.response.status_code == 401
