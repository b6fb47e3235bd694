"""A family that has just the members a test asks for, and what the outbox holds.

Separate from the family of all tests, which is always complete: here it matters who is the only one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from accounts import authentication
from accounts.models import Family, Membership, User
from realtime.models import Outgoing


class Told(NamedTuple):
    """One row of the outbox."""

    type: str
    topics: set[str]
    data: dict[str, Any]


@pytest.fixture(autouse=True)
def rates_start_anew() -> None:
    """Throttles count in the process's cache, across tests."""
    cache.clear()


@pytest.fixture
def family(db: None) -> Family:
    return Family.objects.create(name="Miller")


@pytest.fixture
def other_family(db: None) -> Family:
    return Family.objects.create(name="Stone")


@pytest.fixture
def member(make_user: Callable[..., User]) -> Callable[..., User]:
    def make(name: str, family: Family, role: str) -> User:
        user = make_user(name)
        Membership.objects.create(family=family, user=user, role=role)
        return user

    return make


@pytest.fixture
def alice(member: Callable[..., User], family: Family) -> User:
    return member("alice", family, "owner")


@pytest.fixture
def adam(member: Callable[..., User], family: Family) -> User:
    return member("adam", family, "admin")


@pytest.fixture
def bob(member: Callable[..., User], family: Family) -> User:
    return member("bob", family, "member")


@pytest.fixture
def vera(member: Callable[..., User], family: Family) -> User:
    return member("vera", family, "viewer")


@pytest.fixture
def charlie(member: Callable[..., User], other_family: Family) -> User:
    return member("charlie", other_family, "owner")


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    """A client that sends a fresh access token of the user."""

    def make(user: User) -> APIClient:
        client = APIClient()
        client.default_format = "json"
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {authentication.issue(user).access_token}")
        return client

    return make


@pytest.fixture
def told(db: None) -> Callable[[], list[Told]]:
    """What was published since the last call, in order."""

    def take() -> list[Told]:
        rows = list(Outgoing.objects.order_by("pk"))
        Outgoing.objects.all().delete()
        return [Told(row.type, set(row.topics.split()), json.loads(row.data)) for row in rows]

    return take
