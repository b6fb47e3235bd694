"""What the apps publish has the form they have announced, field by field, on the topics they named."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import jsonschema
import msgspec
import pytest

from accounts.models import Family, Membership, User
from ledger.models import Account, Payee, Rule, Transaction
from ledger.services import notices, rules, transfers
from ledger.services.credits import change as change_credit
from realtime.asyncapi import document, event_forms
from realtime.models import Outgoing

TODAY = date(2026, 1, 2)


@pytest.fixture
def outbox(alice: User, bob: User, family: Family) -> list[Outgoing]:
    """All that is published while a family does everything it can."""
    checking, savings = (
        Account.objects.create(family=family, owner=alice, name=name, currency="EUR", number="DE8937040044")
        for name in ("Checking", "Savings")
    )
    payee = Payee.objects.create(family=family, name="Corner Bakery", category="food")
    rule = Rule.objects.create(
        family=family,
        name="Bread",
        description_contains="bakery",
        amount_max=Decimal(0),
        set_payee=payee,
        created_by=bob,
    )
    bread = Transaction.objects.create(
        account=checking, amount=Decimal("-3.20"), description="corner bakery", date=TODAY, created_by=bob
    )
    Transaction.objects.create(
        account=checking, amount=Decimal(-4), description="Corner Bakry", date=TODAY, created_by=bob
    )
    rules.run_history(rule, alice)
    transfers.create(alice, checking, savings, Decimal(100), description="Rainy days", date=TODAY)
    change_credit(bob, Decimal(5), "reward", {"for": "loyalty"})
    for whom in ({"user": bob}, {"family": family}, {}):
        notices.send("Hello", "World", level="success", **whom)
    # As if it had been committed: who sees an account is changed in a transaction of its own.
    earlier = _taken()
    savings.is_private = True
    savings.save()
    bread.delete()
    rule.delete()
    payee.delete()
    family.name = "Smith & Co"
    family.save()
    Membership.objects.get(user=bob).delete()
    return earlier + _taken()


def _taken() -> list[Outgoing]:
    rows = list(Outgoing.objects.order_by("pk"))
    Outgoing.objects.all().delete()
    return [row for row in rows if not row.topics.startswith("control:")]


EPHEMERAL = {"PresenceUpdate"}  # said by the hubs to each other, never by publish()
OF_THE_DESK = {"Alert", "OperationsFigures", "RowsChanged"}  # of the installation itself, whatever the family does


def test_every_announced_event_is_published_sooner_or_later(outbox: list[Outgoing]) -> None:
    assert {row.type for row in outbox} == set(event_forms()) - EPHEMERAL - OF_THE_DESK


def test_data_have_exactly_the_announced_fields_and_types(outbox: list[Outgoing]) -> None:
    forms = event_forms()

    for row in outbox:
        data = json.loads(row.data)
        assert msgspec.to_builtins(msgspec.convert(data, struct(forms[row.type].data))) == data, row.type


def test_data_fit_the_published_schema(outbox: list[Outgoing]) -> None:
    published = document()

    for row in outbox:
        schema = {"$ref": f"#/components/schemas/{struct(event_forms()[row.type].data).__name__}"}
        validator = jsonschema.Draft202012Validator({**schema, "components": published["components"]})
        validator.validate(json.loads(row.data))


def test_events_go_to_the_announced_kinds_of_topics_only(outbox: list[Outgoing]) -> None:
    forms = event_forms()

    for row in outbox:
        kinds = {topic.partition(":")[0] for topic in row.topics.split()}
        assert kinds <= set(forms[row.type].topics), row.type


def struct(form: Any) -> type[msgspec.Struct]:
    assert isinstance(form, type)
    return form
