"""Who may hear what, at every door; and that what is private stays so, whatever is written and however it is heard."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from uuid import uuid4

import httpx
import pytest

from accounts.topics import family_topic
from ledger.models import Account, Payee, Rule, Transaction
from ledger.services import notices, transfers
from ledger.topics import account_topic
from tests.clients import TIMEOUT, Client, SocketClient, access_token
from tests.contract.checks import logged, on
from tests.contract.doors import DOORS, Door, gateway, knock, poll, stream
from tests.contract.world import World, money, open_account, work
from tests.live import LiveServer

pytestmark = pytest.mark.once

UNKNOWN = str(uuid4())
MALFORMED = [
    *(f"{kind}:{UNKNOWN}" for kind in ("family", "user", "account", "control", "nothing")),
    f"family:{UNKNOWN.upper()}",
    f"family:{UNKNOWN.replace('-', '')}",
    f"family:{UNKNOWN}x",
    f"family: {UNKNOWN}",
    "family:",
    "family",
    "global:x",
    f"staff:{UNKNOWN}",
    "Global",
    "*",
    "family:*",
    "family:%00",
    "fámily:é",
    "x" * 1000,
]


def readable(world: World) -> dict[str, set[str]]:
    """The topics of which each of the people may hear."""
    account, private, shared, foreign = (
        str(account_topic(each.pk)) for each in (world.account, world.private, world.shared, world.foreign)
    )
    of = {
        "alice": {world.family_topic, account, private, shared},
        "bob": {world.family_topic, account, shared},
        "vera": {world.family_topic, account},
        "charlie": {str(family_topic(world.other_family.pk)), foreign},
        "admin": {"staff"},
    }
    return {name: {*topics, world.user_topic(name), "global"} for name, topics in of.items()}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_each_of_the_people_gets_each_topic_that_is_theirs_and_one_answer_for_all_others(
    server: LiveServer, world: World, door: Door
) -> None:
    allowed = readable(world)
    topics = sorted(set().union(*allowed.values()))
    wishes = [(name, topic) for name in world.people for topic in topics]

    answers = await knock(door, server.url, [(access_token(world.people[name]), topic) for name, topic in wishes])

    granted: dict[str, set[str]] = {name: set() for name in world.people}
    for (name, topic), answer in zip(wishes, answers, strict=True):
        granted[name] |= set(answer.topics)
        assert answer.topics in ((topic,), ())
    assert granted == allowed
    refusals = {answer for answer in answers if not answer.topics}
    assert len(refusals) == 1
    assert refusals.pop().status == 403


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_what_is_unknown_malformed_or_forbidden_is_refused_alike_to_the_byte(
    server: LiveServer, world: World, door: Door
) -> None:
    forbidden = [world.user_topic("bob"), str(account_topic(world.foreign.pk)), "staff"]
    token = access_token(world.alice)

    answers = await knock(door, server.url, [(token, topic) for topic in [*forbidden, *MALFORMED]])

    assert len(set(answers)) == 1
    assert answers[0].status == 403
    assert json.loads(answers[0].body).get("code", "forbidden") == "forbidden"


async def test_a_snapshot_of_what_is_forbidden_is_refused_like_one_of_what_is_not_there(
    server: LiveServer, world: World
) -> None:
    ids = [str(each.pk) for each in (world.private, world.foreign)] + [UNKNOWN]
    token = access_token(world.vera)
    asked = [{"resource": name, "account_id": id} for name in ("account_balance", "transactions") for id in ids]
    families = [{"resource": "transactions", "family_id": id} for id in (str(world.other_family.pk), UNKNOWN)]

    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {token}"}
        answers = [await http.get("/api/v1/snapshot", params=params, headers=headers) for params in [*asked, *families]]
    async with SocketClient(server.url, token, topics=[]) as client:
        frames = [
            await client.ask("Request", {"resource": name, "params": {"account_id": id}})
            for name in ("account_balance", "transactions")
            for id in ids
        ]

    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    assert {json.dumps(frame) for frame in frames} == {json.dumps(frames[0])}
    assert frames[0]["data"]["code"] == answers[0].json()["code"] == "not_found"


async def test_nothing_of_a_private_account_is_heard_by_anyone_who_may_not_see_it(
    server: LiveServer, world: World, transport: type[Client]
) -> None:
    secret = f"secret-{uuid4()}"
    async with AsyncExitStack() as stack:
        witnesses = {
            name: await stack.enter_async_context(transport(server.url, access_token(user)))
            for name, user in world.people.items()
        }

        hidden = await work(write_privately, world, secret)
        last = str((await work(notices.send, "the last word")).pk)
        for client in witnesses.values():
            await client.wait_for(lambda frame: frame.get("data", {}).get("notification_id") == last)
        # A topic gained on a connection is taken up beside what goes on there.
        told = await work(logged, [f"account:{hidden}"], world.start)
        while len(on(f"account:{hidden}", witnesses["alice"].received)) < len(told):
            await witnesses["alice"].next()

    heard = {name: client.received for name, client in witnesses.items()}
    assert {name for name, frames in heard.items() if secret in json.dumps(frames)} == {"alice"}
    for name, frames in heard.items():
        text = json.dumps(frames)
        assert (hidden in text) == (name == "alice")
        assert (str(world.shared.pk) in text) == (name in ("alice", "bob"))
        assert world.account.number not in text
        assert {frame["topic"] for frame in frames} <= readable(world)[name] | {f"account:{hidden}"}
    private = {f"account:{hidden}", str(account_topic(world.private.pk)), world.user_topic("alice")}
    assert {frame["topic"] for frame in heard["alice"] if secret in json.dumps(frame)} <= private


def write_privately(world: World, secret: str) -> str:
    """Do with alice's own account all that can be done with one, and name everything in it the same."""
    account = open_account(world.family, world.alice, secret, is_private=True)
    for own in (account, world.shared):
        row = Transaction.objects.create(account=own, amount=money("-5"), created_by=world.alice)
        Transaction.objects.filter(pk=row.pk).update(amount=money("-6"))
    Transaction.objects.bulk_create(
        Transaction(account=account, amount=money("-1"), description=secret, created_by=world.alice) for _ in range(3)
    )
    public = Transaction.objects.create(account=world.account, amount=money("-2"))
    public.account, public.description = account, secret
    public.save()
    transfers.create(world.alice, account, world.account, money("3"))
    payee = Payee.objects.create(family=world.family, name="Somebody")
    Rule.objects.create(family=world.family, name=secret, account=account, set_payee=payee, created_by=world.alice)
    Account.objects.filter(pk=account.pk).update(number=f"{secret[:20]}")
    payee.delete()
    Transaction.objects.filter(account=account, transfer=None).delete()
    return str(account.pk)


async def test_a_topic_asked_for_among_good_ones_is_refused_with_all_of_them(server: LiveServer, world: World) -> None:
    both = f"{world.family_topic},{world.user_topic('bob')}"

    answers = [await door(server.url, access_token(world.alice), both) for door in (gateway, stream, poll)]

    assert [(answer.status, answer.topics) for answer in answers] == [(403, ())] * 3
