"""Ten thousand users with families, accounts and tokens, made in seconds: past the signals, as a restored dump is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.utils import timezone

from accounts.models import Family, Membership, User
from ledger.models import Account, Balance
from tests.clients import access_token

BATCH = 2000


@dataclass(frozen=True)
class Crowd:
    """Families with their members, and an account for each family."""

    families: list[Family]
    users: list[User]  # those of the first family first
    accounts: list[Account]  # one per family, in the same order

    def tokens(self) -> Iterator[str]:
        """A fresh access token of each user."""
        return (access_token(user) for user in self.users)

    def family_of(self, person: int) -> Family:
        """The family of a user, by number."""
        return self.families[person * len(self.families) // len(self.users)]


def make(families: int, members: int) -> Crowd:
    """Make ``families`` families with ``members`` members each."""
    crowd = Crowd([], [], [])
    memberships, balances = [], []
    for number in range(families):
        family = Family(name=f"Family {number}")
        people = [User(username=f"u{family.pk}.{place}", password="!") for place in range(members)]
        account = Account(family=family, owner=people[0], name="Everyday", type="checking", currency="EUR")
        crowd.families.append(family)
        crowd.users.extend(people)
        crowd.accounts.append(account)
        memberships += [Membership(family=family, user=each, role="member") for each in people]
        balances.append(Balance(account=account, updated_at=timezone.now()))
    for rows in (crowd.families, crowd.users, memberships, crowd.accounts, balances):
        _insert(rows)
    return crowd


def _insert(rows: list[Any]) -> None:
    model: type[Model] = type(rows[0])
    QuerySet(model).bulk_create(rows, batch_size=BATCH)
