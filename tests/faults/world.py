"""Whose ledger is written to while things break: a family with a private account that is shared, and a neighbour.

A program of its own, ``python -m tests.faults.world``: it runs where the servers do, and says as JSON what it made.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import timedelta

PASSWORD = "correct horse battery staple"
FAMILY = ("alice", "bob", "vera", "mona", "nils", "olga", "paul", "dora")
COMES_AND_GOES = "dora"
SHARED_WITH = "erin"  # of no family: sees what is shared with her, and nothing else of it
NEIGHBOUR = "charlie"
PEOPLE = (*FAMILY, SHARED_WITH, NEIGHBOUR)
TOKEN_HOURS = 12


@dataclass(frozen=True)
class World:
    """Ids, tokens and topics, by name."""

    ids: dict[str, str]
    tokens: dict[str, str]
    family: str
    accounts: dict[str, str]  # everyday, savings: the family's; own: alice's, shared with erin; checking: charlie's
    topics: dict[str, list[str]]  # of each account: where what happens on it is told

    @property
    def readers(self) -> dict[str, frozenset[str]]:
        """What each user may read while dora is a member and erin has her share, by user id."""
        family = frozenset({*self.topics["everyday"], *self.topics["savings"]})
        rights = {self.ids[name]: family for name in FAMILY}
        rights[self.ids["alice"]] |= set(self.topics["own"])
        rights[self.ids[SHARED_WITH]] = frozenset(self.topics["own"])
        rights[self.ids[NEIGHBOUR]] = frozenset(self.topics["checking"])
        own = {user: frozenset({f"user:{user}", "global"}) for user in rights}
        return {user: rights[user] | own[user] for user in rights}

    def automatic(self, name: str) -> frozenset[str]:
        """The topics that a client of this user has without asking."""
        topics = self.readers[self.ids[name]]
        named = {f"account:{self.accounts[account]}" for account in ("everyday", "savings", "checking")}
        return topics - named

    @property
    def of_a_member(self) -> list[str]:
        """The topics that come and go with a membership of the family."""
        return sorted({*self.topics["everyday"], *self.topics["savings"]})


def make() -> World:
    """Write it all to the database."""
    from django.contrib.auth.hashers import make_password

    from accounts.models import Family, Membership, User
    from ledger.models import Account, AccountShare
    from ledger.topics import audience
    from tests.clients import access_token

    secret = make_password(PASSWORD)
    people = {name: User.objects.create(username=name, password=secret) for name in PEOPLE}
    family, other = Family.objects.create(name="Smith"), Family.objects.create(name="Jones")
    for name in FAMILY:
        role = {"alice": "owner", "vera": "viewer"}.get(name, "member")
        Membership.objects.create(family=family, user=people[name], role=role)
    Membership.objects.create(family=other, user=people[NEIGHBOUR], role="owner")
    accounts = {
        name: Account.objects.create(
            family=other if owner == NEIGHBOUR else family,
            owner=people[owner],
            name=name,
            currency="EUR",
            is_private=name == "own",
        )
        for name, owner in [("everyday", "alice"), ("savings", "bob"), ("own", "alice"), ("checking", NEIGHBOUR)]
    }
    AccountShare.objects.create(account=accounts["own"], user=people[SHARED_WITH])
    return World(
        ids={name: str(user.pk) for name, user in people.items()},
        tokens={name: access_token(user, timedelta(hours=TOKEN_HOURS)) for name, user in people.items()},
        family=str(family.pk),
        accounts={name: str(account.pk) for name, account in accounts.items()},
        topics={name: [str(topic) for topic in audience(account)] for name, account in accounts.items()},
    )


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(asdict(make())))
