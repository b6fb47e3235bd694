"""Rules that staff runs over history: nobody is held up meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from accounts.models import Family, Membership, User
from ledger.models import Account, Rule, Transaction
from ledger.services import rules
from tests.realtime.concurrently import PATIENCE, beside

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_payment_waits_for_no_run_over_history_that_has_gone_on_to_others(
    client: Client, family: Family, alice: User, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    Membership.objects.create(family=family, user=admin, role="member")
    accounts = [Account.objects.create(family=family, owner=alice, name=name, currency="EUR") for name in "AB"]
    for each in accounts:
        Transaction.objects.create(account=each, amount=Decimal(-1))
    rule = Rule.objects.create(family=family, name="All", set_category="x")
    monkeypatch.setattr(rules, "BATCH", 1)
    batches, begun = rules._batches, 0

    def pay_before_the_second(rows: QuerySet[Transaction]) -> Iterator[list[Transaction]]:
        nonlocal begun
        for batch in batches(rows):
            if begun == 1:
                with beside(lambda: Transaction.objects.create(account=accounts[0], amount=Decimal(-2))) as paid:
                    paid.result(PATIENCE)
            begun += 1
            yield batch

    monkeypatch.setattr(rules, "_batches", pay_before_the_second)
    client.force_login(admin)

    client.post(reverse("admin:ledger_rule_changelist"), {"action": "run_over_history", "_selected_action": [rule.pk]})

    assert begun >= 2
    assert set(Transaction.objects.filter(amount=-1).values_list("category", flat=True)) == {"x"}
    assert Transaction.objects.filter(amount=-2).count() == 1
