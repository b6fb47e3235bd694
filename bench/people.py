"""Somebody with an account, for measurements."""

from __future__ import annotations

from accounts.models import Family, Membership, User
from ledger.models import Account


def an_account(name: str = "bench") -> tuple[Account, User]:
    """Make a user, a family and an account of theirs."""
    user = User.objects.create_user(name, password="bench")
    family = Family.objects.create(name=name)
    Membership.objects.create(family=family, user=user, role="owner")
    return Account.objects.create(family=family, owner=user, name=name, type="checking", currency="EUR"), user
