"""A statement written once answers as the ORM does, on either database, and is not written again."""

from __future__ import annotations

import gc
import weakref
from decimal import Decimal
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.db.models import Exists, F, OuterRef, QuerySet, Value
from django.test.utils import CaptureQueriesContext

from accounts.models import Family, User
from ledger.models import Account, Balance, Rule, Transaction
from realtime import prepared
from realtime.prepared import Given, Prepared

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(family: Family, alice: User) -> Account:
    account: Account = Account.objects.create(family=family, owner=alice, name="Daily", currency="EUR")
    Transaction.objects.create(account=account, amount=Decimal("-12.5"))
    return account


def with_account(using: str, key: Any) -> QuerySet[Any]:
    rules = Rule.objects.filter(family=OuterRef("account__family"))
    rows = Balance.objects.using(using).select_related("account").filter(pk=key)
    return rows.annotate(has_rules=Exists(rules), twice=F("balance") * 2)


def state(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.__dict__.items() if name != "_state"}


def test_rows_are_what_the_queryset_gives(account: Account) -> None:
    ready: Prepared[Any] = Prepared(with_account, [Given(Balance._meta.pk)])
    (asked,) = with_account("default", account.pk)

    (row,) = ready("default", account.pk)

    assert state(row) == state(asked)
    assert [type(value) for value in state(row).values()] == [type(value) for value in state(asked).values()]
    assert (row._state.db, row._state.adding) == ("default", False)
    with CaptureQueriesContext(connection) as more:
        assert state(row.account) == state(asked.account)
        assert row.account.balance_row is row
    assert not len(more)


def test_a_statement_is_written_once_and_run_with_each_value(account: Account, family: Family, alice: User) -> None:
    other = Account.objects.create(family=family, owner=alice, name="Other", currency="EUR")
    written = []

    def build(using: str, key: Given) -> QuerySet[Account]:
        written.append(using)
        return Account.objects.using(using).filter(pk=key)

    ready = Prepared(build, [Given(Account._meta.pk)])

    with CaptureQueriesContext(connection) as asked:
        found = [ready("default", key) for key in (account.pk, other.pk, uuid4())]

    assert found == [[account], [other], []]
    assert written == ["default"]
    assert len(asked) == 3


@pytest.mark.django_db(transaction=True)
def test_a_statement_holds_on_to_no_connection(account: Account) -> None:
    ready: Prepared[Any] = Prepared(with_account, [Given(Balance._meta.pk)])
    found: list[Any] = []

    def first() -> None:
        found.append(weakref.ref(connections["default"]))
        found.extend(ready("default", account.pk))
        connections.close_all()

    thread = Thread(target=first)
    thread.start()
    thread.join()
    gc.collect()

    connection_of_thread, row = found
    assert connection_of_thread() is None
    assert ready("default", account.pk) == [row]


def test_several_values_go_to_their_places(account: Account, family: Family) -> None:
    name, place = Given(Account._meta.get_field("name"), 1), Given(Account._meta.get_field("family"), 0)
    ready = Prepared(lambda using, *_: Account.objects.using(using).filter(name=name, family=place), [])

    assert ready("default", family.pk, "Daily") == [account]
    assert ready("default", family.pk, "100 % 's") == []


def test_a_value_is_read_as_its_field_does(account: Account) -> None:
    ready = Prepared(lambda using, key: Account.objects.using(using).filter(pk=key), [Given(Account._meta.pk)])

    assert ready("default", str(account.pk)) == [account]
    with pytest.raises(ValidationError):
        ready("default", "no key")


def test_a_row_that_is_gone_is_not_written(account: Account) -> None:
    there, gone = Balance.objects.get(pk=account.pk), Balance(pk=uuid4())
    there.balance = Decimal(7)

    assert prepared.update(there, ("balance",), "default") == 1
    assert prepared.update(gone, ("balance",), "default") == 0

    assert Balance.objects.get().balance == 7


@pytest.mark.parametrize(
    "amount", [Decimal("3.25"), "3.25", Value(Decimal("3.25")), Value(Decimal(3)) + Decimal("0.25")]
)
def test_a_row_is_inserted_whatever_its_values_are_given_as(account: Account, amount: Any) -> None:
    row = Transaction(account=account, amount=amount, description="50 % 'off'")

    row.save()

    stored = Transaction.objects.get(pk=row.pk)
    assert (stored.amount, stored.description, stored.version) == (Decimal("3.25"), "50 % 'off'", 1)
    assert stored.created_at == row.created_at
    assert Balance.objects.get().balance == Decimal("-9.25")
