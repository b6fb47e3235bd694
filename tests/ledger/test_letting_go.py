"""Who wrote, or is named by, more rows than one call may change can be deleted all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import override_settings

from accounts.models import User
from ledger.models import Account, Payee, Transaction
from tests.ledger.conftest import Told, assert_the_law_holds

FEW = override_settings(REALTIME={"BULK_ROWS": 3})


@pytest.mark.parametrize("all_at_once", [True, False])
def test_a_user_who_wrote_more_than_one_call_changes_can_be_deleted(
    all_at_once: bool, account: Account, bob: User, told: Callable[..., list[Told]]
) -> None:
    for _ in range(4):
        Transaction.objects.create(account=account, amount=1, created_by=bob)
    told()

    with FEW:
        User.objects.filter(pk=bob.pk).delete() if all_at_once else bob.delete()

    assert list(Transaction.objects.values_list("created_by", "version")) == [(None, 2)] * 4
    assert [each.data["data"]["created_by"] for each in told("TransactionUpdate")] == [None] * 4
    assert_the_law_holds()


@pytest.mark.parametrize("all_at_once", [True, False])
def test_a_payee_of_more_transactions_than_one_call_changes_can_be_deleted(
    all_at_once: bool, account: Account, payee: Payee, told: Callable[..., list[Told]]
) -> None:
    for _ in range(4):
        Transaction.objects.create(account=account, amount=1, payee=payee)
    told()

    with FEW:
        Payee.objects.filter(pk=payee.pk).delete() if all_at_once else payee.delete()

    assert list(Transaction.objects.values_list("payee", "version")) == [(None, 2)] * 4
    assert [each.data["data"]["payee_id"] for each in told("TransactionUpdate")] == [None] * 4
    assert_the_law_holds()
