"""Accounts of the family, what the outbox holds, and the law that every balance keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from accounts.models import Family, User
from ledger.models import Account, Balance, Payee, Transaction
from ledger.topics import account_topic
from realtime.models import Outgoing


class Told(NamedTuple):
    """One event as it waits in the outbox."""

    type: str
    topics: set[str]
    data: dict[str, Any]


@pytest.fixture
def told(db: None) -> Callable[..., list[Told]]:
    """``told()``: the events since it was last asked, in order; ``told("TransactionUpdate")``: those of a type.

    Takes them out of the outbox, as a commit would: what a test writes next is not merged with what was before.
    """

    def ask(*types: str) -> list[Told]:
        rows = list(Outgoing.objects.order_by("pk"))
        Outgoing.objects.all().delete()
        events = [Told(row.type, set(row.topics.split()), json.loads(row.data)) for row in rows]
        return [each for each in events if not types or each.type in types]

    return ask


@pytest.fixture
def account(family: Family, alice: User) -> Account:
    return Account.objects.create(
        family=family, owner=alice, name="Everyday", currency="EUR", number="DE02120300000000202051"
    )


@pytest.fixture
def savings(family: Family, alice: User) -> Account:
    return Account.objects.create(family=family, owner=alice, name="Savings", type="savings", currency="EUR")


@pytest.fixture
def private(family: Family, alice: User) -> Account:
    return Account.objects.create(family=family, owner=alice, name="Own", currency="EUR", is_private=True)


@pytest.fixture
def elsewhere(other_family: Family, charlie: User) -> Account:
    """An account of another family."""
    return Account.objects.create(family=other_family, owner=charlie, name="Checking", currency="EUR")


@pytest.fixture
def payee(family: Family) -> Payee:
    return Payee.objects.create(family=family, name="Bakery")


def topics(account: Account) -> set[str]:
    """The topics of what everyone in the family sees of an account."""
    return {f"family:{account.family_id}", str(account_topic(account.pk))}


def spend(account: Account, amount: str, **fields: object) -> Transaction:
    """Save a transaction on the account, of that amount."""
    return Transaction.objects.create(account=account, amount=Decimal(amount), **fields)


def on_it(account: Account) -> tuple[str, str]:
    """Balance and available balance, as they are now."""
    row = Balance.objects.get(pk=account.pk)
    return f"{row.balance:.2f}", f"{row.available_balance:.2f}"


def assert_the_law_holds() -> None:
    """Every balance is the sum of the posted transactions of its account; pending payments are not available."""
    for row in Balance.objects.all():
        rows = list(Transaction.objects.filter(account=row.pk))
        posted = sum((each.amount for each in rows if each.status == "posted"), Decimal(0))
        pending = sum((each.amount for each in rows if each.status == "pending" and each.amount < 0), Decimal(0))
        assert (row.balance, row.available_balance) == (posted, posted + pending), row
