"""Rights that were read ahead of the log: what changed them is committed, and nobody has sequenced it yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from accounts.models import Family, Membership, User
from accounts.topics import family_topic
from ledger.models import Account, AccountShare, Payee, Transaction
from ledger.topics import account_topic
from realtime import log
from realtime.models import Outgoing
from realtime.protocol.errors import ProtocolError
from realtime.relay import relay
from realtime.settling import settle
from realtime.threads import run_db
from tests.clients import TRANSPORTS, Client, SocketClient, access_token
from tests.live import LiveServer

pytestmark = pytest.mark.django_db(transaction=True)

# A server that looks at the outbox when it has a reason to, and at no other time.
NEVER_TICKS = {"DJANGO_SETTINGS_MODULE": "tests.contract.server_settings", "TEST_REALTIME": '{"TICK": 600}'}


@pytest.fixture
def account(alice: User, family: Family) -> Account:
    return Account.objects.create(family=family, owner=alice, name="Gifts", currency="EUR", is_private=True)


@pytest.fixture(autouse=True)
def shared(family: Family, account: Account, bob: User, sleeping_relay: None) -> None:
    """Bob sees the account, and from here on what is committed waits."""
    AccountShare.objects.create(account=account, user=bob)
    sequence()


def sequence() -> None:
    while log.sequence() is not None:
        pass


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_who_comes_back_is_told_of_a_loss_that_has_no_place_yet(
    transport: type[Client], account: Account, bob: User, live_servers: Callable[..., LiveServer]
) -> None:
    server = live_servers(environment=NEVER_TICKS)
    topic = str(account_topic(account.pk))
    cursor = log.present_cursor()
    AccountShare.objects.all().delete()
    assert Outgoing.objects.exists()

    async def scenario() -> str:
        async with transport(server.url, access_token(bob), cursor=cursor) as client:
            return str((await client.next("Unsubscribed"))["data"]["topic"])

    assert asyncio.run(scenario()) == topic


def test_who_comes_back_to_a_family_hears_nothing_of_the_time_between(
    family: Family, bob: User, live_servers: Callable[..., LiveServer]
) -> None:
    server = live_servers(environment=NEVER_TICKS)
    leave_and_return(bob, family)

    async def scenario() -> list[str]:
        async with SocketClient(server.url, access_token(bob)) as client:
            await client.next("Connected")
            await run_db(add_payee, family, "now")
            await client.wait_for(lambda frame: frame["type"] == "PayeeUpdate" and name_of(frame) == "now")
            return [name_of(frame) for frame in client.received if frame["type"] == "PayeeUpdate"]

    assert asyncio.run(scenario()) == ["now"]


def test_who_takes_up_a_topic_again_hears_nothing_of_the_time_between(
    account: Account, bob: User, live_servers: Callable[..., LiveServer]
) -> None:
    server = live_servers(environment=NEVER_TICKS)
    topic = str(account_topic(account.pk))

    def take_and_give_back() -> None:
        AccountShare.objects.all().delete()
        sequence()
        spend(account, "meanwhile")
        AccountShare.objects.create(account=account, user=bob)

    async def scenario() -> list[str]:
        async with SocketClient(server.url, access_token(bob), topics=["global"]) as client:
            await client.next("Connected")
            await run_db(take_and_give_back)
            answer = await client.ask("Subscribe", {"topic": topic})
            assert answer["type"] == "Subscribed"
            await run_db(spend, account, "now")
            said = await client.next("TransactionUpdate")
            return [said["data"]["data"]["description"]]

    assert asyncio.run(scenario()) == ["now"]


def test_where_nobody_can_sequence_the_client_is_sent_to_come_again(
    family: Family, bob: User, settings: object
) -> None:
    leave_and_return(bob, family)
    settings.REALTIME = {"START_TIMEOUT": 0.05}  # type: ignore[attr-defined]

    with pytest.raises(ProtocolError, match="unavailable"):
        settle(bob.pk)


def leave_and_return(user: User, family: Family) -> None:
    """Out of the family, something said in it, and in again."""
    membership = Membership.objects.get(user=user, family=family)
    membership.is_active = False
    membership.save()
    sequence()
    add_payee(family, "meanwhile")
    membership.is_active = True
    membership.save()
    assert str(family_topic(family.pk)) in " ".join(Outgoing.objects.values_list("topics", flat=True))


def add_payee(family: Family, name: str) -> None:
    Payee.objects.create(family=family, name=name)
    sequence_if(name == "now")


def spend(account: Account, description: str) -> None:
    Transaction.objects.create(account=account, amount=Decimal(-1), description=description)
    sequence_if(description == "now")


def sequence_if(wanted: bool) -> None:
    """Sequence and announce, when the test wants the news to travel."""
    while wanted and (batch := log.sequence()) is not None:
        relay._announcer.announce(batch)


def name_of(frame: dict[str, object]) -> str:
    return str(frame["data"]["data"]["name"])  # type: ignore[index]
