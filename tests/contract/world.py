"""A family, its neighbours and their accounts, made anew for each test.

Servers live for a whole module here, and the log with them: what keeps tests apart is that each has topics of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar

from accounts.models import Family, Membership, User
from accounts.topics import family_topic, user_topic
from ledger.models import Account, AccountShare, Transaction
from ledger.topics import account_topic
from realtime import log
from realtime.threads import run_db
from tests.clients import SocketClient, access_token
from tests.live import LiveServer
from tests.tables import wait_until_drained

P = ParamSpec("P")
T = TypeVar("T")


_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class World:
    """alice owns, bob is a member and vera a viewer; charlie has a family of his own; admin is staff and has none."""

    start: str  # the cursor from before there was any account
    alice: User
    bob: User
    vera: User
    charlie: User
    admin: User
    family: Family
    other_family: Family
    account: Account
    savings: Account
    private: Account  # alice's own
    shared: Account  # alice's own, which bob may see
    foreign: Account  # charlie's

    @property
    def people(self) -> dict[str, User]:
        """Everybody, by name."""
        return {name: getattr(self, name) for name in ("alice", "bob", "vera", "charlie", "admin")}

    @property
    def family_topic(self) -> str:
        """The topic of the family of alice, bob and vera."""
        return str(family_topic(self.family.pk))

    @property
    def account_topic(self) -> str:
        """The topic of the family's first account."""
        return str(account_topic(self.account.pk))

    def user_topic(self, name: str) -> str:
        """The topic of one of the people."""
        return str(user_topic(self.people[name].pk))


def make_world() -> World:
    """Write it all to the database."""
    number = next(_numbers)
    people = {name: User.objects.create(username=f"{name}-{number}") for name in ("alice", "bob", "vera", "charlie")}
    admin = User.objects.create(username=f"admin-{number}", is_staff=True, is_superuser=True)
    family, other_family = Family.objects.create(name="Smith"), Family.objects.create(name="Jones")
    for name, role in (("alice", "owner"), ("bob", "member"), ("vera", "viewer")):
        Membership.objects.create(family=family, user=people[name], role=role)
    Membership.objects.create(family=other_family, user=people["charlie"], role="owner")
    wait_until_drained()
    world = World(
        start=log.present_cursor(),
        **people,
        admin=admin,
        family=family,
        other_family=other_family,
        account=open_account(family, people["alice"], "Everyday"),
        savings=open_account(family, people["alice"], "Savings"),
        private=open_account(family, people["alice"], "Own", is_private=True),
        shared=open_account(family, people["alice"], "Gifts", is_private=True),
        foreign=open_account(other_family, people["charlie"], "Checking"),
    )
    AccountShare.objects.create(account=world.shared, user=world.bob)
    wait_until_drained()
    return world


def open_account(family: Family, owner: User, name: str, **fields: Any) -> Account:
    """An account in euros, with nothing on it."""
    number = "DE02120300000000202051"
    return Account.objects.create(family=family, owner=owner, name=name, currency="EUR", number=number, **fields)


def spend(world: World, count: int = 1) -> None:
    """Write transactions on the family's first account: two events each, on its topic."""
    for _ in range(count):
        Transaction.objects.create(account=world.account, amount=money("-1"))


def gateway(server: LiveServer, world: World, *topics: str, who: str = "alice", **options: Any) -> SocketClient:
    """A connection of one of the people on ``topics`` and no others."""
    return SocketClient(server.url, access_token(world.people[who]), topics=list(topics), **options)


def money(text: str) -> Decimal:
    """An amount."""
    return Decimal(text)


async def work(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what writes or reads the database beside the event loop, on which the clients listen."""
    return await run_db(lambda: func(*args, **kwargs))


async def drained() -> None:
    """Wait until everything committed has its place in the log."""
    await work(wait_until_drained)
