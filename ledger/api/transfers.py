"""``/transfers``: money moved between two accounts of a family.

Separate from transactions, whose two halves of a transfer are only ever written from here.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.writes import atomically
from ledger import access
from ledger.api.base import LedgerViewSet, StrictSerializer
from ledger.api.fields import MoneyField
from ledger.api.targets import exact, require, writable_account
from ledger.filters import TransferFilter
from ledger.idempotency import Answer, keyed, once
from ledger.models import Transaction, Transfer
from ledger.serializers import TransferSerializer
from ledger.services import transfers
from ledger.services.sharing import hold_accounts


class TransferChange(StrictSerializer):
    """What of a transfer can be changed, in both of its transactions."""

    amount = MoneyField(positive=True)
    description = serializers.CharField(max_length=200, allow_blank=True, required=False)
    date = serializers.DateField(required=False, help_text="Today, if not given.")
    status = serializers.ChoiceField(choices=Transaction.Status.choices, required=False)


class TransferInput(TransferChange):
    """What a transfer is made of: ``amount``, above zero, leaves one account and comes to the other."""

    from_account_id = serializers.UUIDField()
    to_account_id = serializers.UUIDField()


class TransferViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, LedgerViewSet):
    """The transfers between accounts both of which the user sees."""

    serializer_class = TransferSerializer
    filterset_class = TransferFilter
    ordering_fields = ("-date", "created_at", "amount")
    queryset = Transfer.objects.none()

    def get_queryset(self) -> QuerySet[Transfer]:
        return access.visible_transfers(self.user).select_related("from_account", "to_account")

    @keyed
    @extend_schema(request=TransferInput, responses={201: TransferSerializer})
    def create(self, request: Request) -> Response:
        """Move money between two accounts of one family and currency."""
        given = self.given(TransferInput)
        return once(request, lambda: self._create(given))

    @extend_schema(request=TransferChange, responses=TransferSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change both transactions of a transfer alike. Other accounts make another transfer."""
        given = self.given(TransferChange, partial=True)
        return Response(atomically(lambda: self._change(given)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Undo a transfer: both of its transactions go with it."""
        atomically(lambda: transfers.delete(self._writable_row()))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _create(self, given: dict[str, Any]) -> Answer:
        hold_accounts(self.user, [given["from_account_id"], given["to_account_id"]])
        source = writable_account(self.user, given["from_account_id"])
        target = writable_account(self.user, given["to_account_id"])
        amount = exact("amount", given["amount"], source.currency)
        rest = {name: value for name, value in given.items() if name in ("description", "date", "status")}
        return Answer(self.answer(transfers.create(self.user, source, target, amount, **rest)))

    def _change(self, given: dict[str, Any]) -> Any:
        row = self._writable_row()
        exact("amount", given.get("amount", row.amount), row.from_account.currency)
        return self.answer(transfers.change(row, **given))

    def _writable_row(self) -> Transfer:
        """The transfer, read once both of its accounts are held: nobody changes it now, or who may."""
        row = self._required_row()
        hold_accounts(self.user, [row.from_account_id, row.to_account_id])
        return self._required_row()

    def _required_row(self) -> Transfer:
        row: Transfer = self.get_object()
        for end in (row.from_account, row.to_account):
            require(access.may_write_account(self.user, end))
        return row
