"""A family with every role, a stranger, staff, their accounts, and a client that speaks for any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from accounts import authentication
from accounts.models import Family, Membership, User
from ledger.models import Account, Notification, Payee, Rule, Transaction, Transfer
from ledger.services import notices, transfers
from tests.tables import still_relay

NUMBER = "DE89370400440532013000"


class Api:
    """One user's requests, below ``/api/v1/``."""

    def __init__(self, user: User | None) -> None:
        self.client = APIClient()
        if user is not None:
            self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {authentication.issue(user).access_token}")

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path if path.startswith(("http", "/")) else f"/api/v1/{path}", query)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.post(f"/api/v1/{path}", body, format="json", headers=headers)

    def raw(self, path: str, text: str | bytes, **headers: str) -> Any:
        return self.client.post(f"/api/v1/{path}", text, content_type="application/json", headers=headers)

    def patch(self, path: str, body: Any) -> Any:
        return self.client.patch(f"/api/v1/{path}", body, format="json")

    def delete(self, path: str) -> Any:
        return self.client.delete(f"/api/v1/{path}")

    def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return the rows of a list's first page."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.content
        return answer.json()["results"]  # type: ignore[no-any-return]


@pytest.fixture
def api() -> Callable[[User | None], Api]:
    """``api(alice).get("accounts")``."""
    return Api


@pytest.fixture
def committed(transactional_db: None) -> Iterator[None]:
    """The test commits. The relay that this wakes gives back its connection before the database goes."""
    yield
    still_relay()


@pytest.fixture(autouse=True)
def rates_start_anew() -> None:
    """Throttles count in the process's cache, across tests."""
    cache.clear()


@pytest.fixture
def adam(make_user: Callable[..., User], family: Family) -> User:
    """Admin of the family."""
    user = make_user("adam")
    Membership.objects.create(family=family, user=user, role="admin")
    return user


@pytest.fixture
def open_account() -> Callable[..., Account]:
    """``open_account(family, alice, "Checking", is_private=True)``, in USD."""

    def open(family: Family, owner: User, name: str, **fields: Any) -> Account:
        return Account.objects.create(
            family=family, owner=owner, name=name, **{"currency": "USD", "number": NUMBER, **fields}
        )

    return open


@pytest.fixture
def account(open_account: Callable[..., Account], family: Family, alice: User) -> Account:
    """Checking of the family, owned by alice."""
    return open_account(family, alice, "Checking")


@pytest.fixture
def savings(open_account: Callable[..., Account], family: Family, bob: User) -> Account:
    """Savings of the family, owned by bob."""
    return open_account(family, bob, "Savings", type="savings")


@pytest.fixture
def private(open_account: Callable[..., Account], family: Family, alice: User) -> Account:
    """Private to alice."""
    return open_account(family, alice, "Secret", is_private=True)


@pytest.fixture
def foreign(open_account: Callable[..., Account], other_family: Family, charlie: User) -> Account:
    """Of another family, owned by charlie."""
    return open_account(other_family, charlie, "Elsewhere")


@pytest.fixture
def spend() -> Callable[..., Transaction]:
    """``spend(account, "-12.50", description="Bakery")``."""

    def spend(account: Account, amount: str = "-12.50", **fields: Any) -> Transaction:
        return Transaction.objects.create(account=account, amount=Decimal(amount), **fields)

    return spend


@pytest.fixture
def transfer(account: Account, savings: Account, bob: User) -> Transfer:
    """25.00 from checking to savings."""
    return transfers.create(bob, account, savings, Decimal("25.00"))


@pytest.fixture
def payee(family: Family) -> Payee:
    """The bakery."""
    return Payee.objects.create(family=family, name="Bakery", category="food")


@pytest.fixture
def rule(family: Family) -> Rule:
    """Bread is food."""
    return Rule.objects.create(family=family, name="Bread", description_contains="bread", set_category="food")


@pytest.fixture
def notice(family: Family) -> Notification:
    """To the family."""
    return notices.send("Hello", family=family)
