"""Many users' rights in one statement: the same as when each is asked alone, and of one moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Family, Membership, User
from accounts.topics import family_topic, user_topic
from ledger.models import Account, AccountShare
from ledger.topics import account_topic
from realtime import log, standings, topics
from realtime.outbox import rights_changed
from realtime.topics import Kind, topic
from tests.realtime.recorder import sequence, tell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]

GLOBAL = topic("global")


@pytest.fixture
def world(family: Family, other_family: Family, alice: User, bob: User, vera: User, charlie: User) -> list[User]:
    """Accounts open, private, shared within and beyond a family, and a membership that has ended."""

    def account(family: Family, owner: User, **fields: Any) -> Account:
        account: Account = Account.objects.create(family=family, owner=owner, name="x", currency="EUR", **fields)
        return account

    account(family, alice)
    private = account(family, alice, is_private=True)
    AccountShare.objects.create(account=private, user=bob)
    AccountShare.objects.create(account=private, user=charlie)
    AccountShare.objects.create(account=account(other_family, charlie), user=alice)
    account(other_family, charlie, is_private=True)
    left = account(family, vera, is_private=True)
    Membership.objects.filter(user=vera).update(is_active=False)
    AccountShare.objects.create(account=left, user=bob)
    AccountShare.objects.create(account=account(family, bob), user=vera)
    sequence()
    return [alice, bob, vera, charlie]


def every_topic() -> list[str]:
    keyed = [family_topic(row.pk) for row in Family.objects.all()]
    keyed += [account_topic(row.pk) for row in Account.objects.all()]
    keyed += [user_topic(row.pk) for row in User.objects.all()]
    return [*keyed, "global", "staff", f"family:{uuid4()}", "family:x", "nonsense", ""]


def test_rows_say_what_each_kind_says_of_one_user_alone(world: list[User], admin: User) -> None:
    named = every_topic()
    users = [*world, admin]

    found = standings.read([user.pk for user in users], named)
    without = standings.read([user.pk for user in users])

    for user in users:
        standing = found[str(user.pk)]
        assert standing.user == user
        assert standing.automatic.keys() == topics.automatic(user)
        assert standing.named.keys() == topics.readable(user, named)
        assert standing.automatic == log.heads(standing.automatic)[1]
        assert standing.named == log.heads(standing.named)[1]
        assert standing.head == log.head()
        assert standing.is_settled
        assert without[str(user.pk)].automatic == standing.automatic
        assert without[str(user.pk)].user.__dict__.keys() == standing.user.__dict__.keys()


def test_each_world_has_topics_to_tell_apart(world: list[User], admin: User) -> None:
    """Else the test above would compare nothing with nothing."""
    found = standings.read([user.pk for user in [*world, admin]], every_topic())

    kinds = {name: {text.partition(":")[0] for text in found[str(who.pk)].automatic} for name, who in names(world)}
    assert kinds["alice"] == kinds["bob"] == kinds["charlie"] == {"user", "family", "account", "global"}
    assert kinds["vera"] == {"user", "account", "global"}
    assert "staff" in found[str(admin.pk)].named
    assert any(seq for standing in found.values() for seq in standing.automatic.values())


def names(world: list[User]) -> list[tuple[str, User]]:
    return [(user.username, user) for user in world]


@pytest.mark.parametrize("named", [every_topic, list, lambda: ["global", "staff", "nonsense"]])
def test_any_number_of_users_is_one_query(world: list[User], named: Callable[[], list[str]]) -> None:
    topics_named = named()

    with CaptureQueriesContext(connection) as queries:
        found = standings.read([user.pk for user in world], topics_named)

    assert (len(queries), len(found)) == (1, 4)


def test_who_is_not_there_has_no_standing(alice: User) -> None:
    tell(1, to=[GLOBAL])
    sequence()

    assert standings.read([alice.pk, uuid4()]).keys() == {str(alice.pk)}
    assert standings.read([uuid4()]) == {}


def test_rights_that_changed_and_have_no_place_yet_are_not_settled(alice: User, bob: User) -> None:
    tell(1, to=[GLOBAL])
    sequence()
    with transaction.atomic():
        rights_changed(alice.pk, gained=[GLOBAL])

    found = standings.read([alice.pk, bob.pk])

    assert (found[str(alice.pk)].is_settled, found[str(bob.pk)].is_settled) == (False, True)
    sequence()
    assert standings.read([alice.pk])[str(alice.pk)].is_settled


def test_they_can_be_read_while_every_kind_says_its_rights_as_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    class Board(Kind):
        name = "board"

    assert standings.can_be_read()
    monkeypatch.setitem(topics._kinds, "board", Board())

    assert not standings.can_be_read()


def test_users_of_another_database_cannot_be_read_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "database", lambda: "default")
    monkeypatch.setattr(standings.router, "db_for_write", lambda model, **hints: "elsewhere")

    assert not standings.can_be_read()
