"""``/transactions``: list, one, create, change, delete.

Separate as the resource that the whole ledger is about.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.writes import atomically
from ledger import access
from ledger.api.base import LedgerViewSet, StrictSerializer
from ledger.api.fields import MoneyField
from ledger.api.targets import check_referred, exact, require, writable_account
from ledger.filters import TransactionFilter
from ledger.idempotency import Answer, keyed, once
from ledger.models import Account, Payee, Transaction
from ledger.serializers import TransactionSerializer
from ledger.services.sharing import hold_accounts


class TransactionInput(StrictSerializer):
    """What a transaction is made of. ``amount`` below zero is money that leaves the account."""

    account_id = serializers.UUIDField()
    amount = MoneyField()
    description = serializers.CharField(max_length=200, allow_blank=True, required=False)
    status = serializers.ChoiceField(choices=Transaction.Status.choices, required=False)
    payee_id = serializers.UUIDField(allow_null=True, required=False)
    category = serializers.CharField(max_length=64, allow_blank=True, required=False)
    date = serializers.DateField(required=False, help_text="Today, if not given.")


class TransactionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, LedgerViewSet):
    """The transactions of the accounts that the user sees. Members write; viewers read."""

    serializer_class = TransactionSerializer
    filterset_class = TransactionFilter
    ordering_fields = ("-date", "created_at", "updated_at", "amount")
    queryset = Transaction.objects.none()

    def get_queryset(self) -> QuerySet[Transaction]:
        return access.visible_transactions(self.user).select_related("account", "payee", "created_by")

    @keyed
    @extend_schema(request=TransactionInput, responses={201: TransactionSerializer})
    def create(self, request: Request) -> Response:
        """Write a transaction: posted and of today, unless said otherwise. Rules fill in what is left open."""
        given = self.given(TransactionInput)
        return once(request, lambda: self._create(given))

    @extend_schema(request=TransactionInput, responses=TransactionSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given; ``account_id`` moves it. A transfer's transactions are changed by the transfer."""
        given = self.given(TransactionInput, partial=True)
        return Response(atomically(lambda: self._change(given)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a transaction and take it out of the balance. A transfer's transactions go with the transfer."""
        atomically(lambda: self._writable_row().delete())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _create(self, given: dict[str, Any]) -> Answer:
        hold_accounts(self.user, [given["account_id"]])
        account = writable_account(self.user, given["account_id"])
        self._check(given, given["amount"], account)
        made = Transaction(**{**given, "account": account}, created_by=self.user)
        made.save()
        return Answer(self.answer(made))

    def _change(self, given: dict[str, Any]) -> Any:
        row = self._writable_row(given.get("account_id"))
        account = writable_account(self.user, given["account_id"]) if "account_id" in given else row.account
        self._check(given, given.get("amount", row.amount), account)
        for name, value in given.items():
            setattr(row, name, value)
        if given:
            row.save(update_fields=[name.removesuffix("_id") for name in given])
        return self.answer(row)

    def _writable_row(self, target_id: UUID | None = None) -> Transaction:
        """The row, read once its account is held and the one it goes to: nobody changes it now, or who may see it."""
        row = self._required_row()
        held: set[UUID] = set()
        while row.account_id not in held:  # once more where it was moved while we waited
            held.add(row.account_id)
            hold_accounts(self.user, held if target_id is None else {*held, target_id})
            row = self._required_row()
        return row

    def _required_row(self) -> Transaction:
        row: Transaction = self.get_object()
        require(access.may_write_account(self.user, row.account))
        return row

    def _check(self, given: dict[str, Any], amount: Any, account: Account) -> None:
        exact("amount", amount, account.currency)
        if (payee_id := given.get("payee_id")) is not None:
            payees = Payee.objects.filter(family=account.family_id)
            check_referred("payee_id", payees, payee_id, _("a payee of the account's family, or null"))
