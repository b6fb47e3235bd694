"""The whole product, started as a user would, for tests that then break something."""

from __future__ import annotations

import pytest

from accounts.models import Family, User
from ledger.models import Account


@pytest.fixture
def account(alice: User, family: Family) -> Account:
    """An account of the family."""
    return Account.objects.create(family=family, owner=alice, name="Household", type="checking", currency="EUR")
