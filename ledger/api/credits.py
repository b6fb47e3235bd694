"""``/credits``: what credit a user has, what became of it, and its changes.

Separate because credits are a user's own, whatever families they are in.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import hold_standing, is_staff
from accounts.models import User
from ledger.api.base import LedgerViewSet, StrictSerializer
from ledger.api.fields import MetadataField, MoneyField
from ledger.api.targets import exact_credit, found, require
from ledger.filters import CreditEntryFilter
from ledger.idempotency import Answer, keyed, once
from ledger.models import CreditEntry
from ledger.serializers import CreditEntrySerializer, CreditSerializer
from ledger.services.credits import balance_of, change

MAY_ONLY_USE = _("You may use your own credit: give reason=usage and an amount below zero. The rest is for staff.")


class CreditInput(StrictSerializer):
    """One change of credit: ``amount`` below zero takes it away, as ``usage`` always does."""

    user_id = serializers.UUIDField(required=False, help_text="Yourself, if not given. Staff may name anyone.")
    amount = MoneyField()
    reason = serializers.ChoiceField(choices=CreditEntry.Reason.choices)
    metadata = MetadataField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        exact_credit("amount", attrs["amount"])
        if attrs["reason"] == CreditEntry.Reason.USAGE and attrs["amount"] > 0:
            raise serializers.ValidationError({"amount": [_("Give an amount below zero: usage takes credit away.")]})
        return attrs


class CreditViewSet(mixins.ListModelMixin, LedgerViewSet):
    """The credit of the user who asks."""

    serializer_class = CreditEntrySerializer
    filterset_class = CreditEntryFilter
    ordering_fields = ("-created_at",)
    queryset = CreditEntry.objects.none()

    def get_queryset(self) -> QuerySet[CreditEntry]:
        return CreditEntry.objects.filter(user=self.user)

    @extend_schema(responses=CreditSerializer)
    def balance(self, request: Request) -> Response:
        """Tell how much credit the user has."""
        return Response(CreditSerializer(balance_of(self.user)).data)

    @keyed
    @extend_schema(request=CreditInput, responses={201: CreditEntrySerializer})
    def create(self, request: Request) -> Response:
        """Change credit: staff anybody's for any reason, everyone else their own by using it. Never below zero."""
        given = self.given(CreditInput)
        return once(request, lambda: self._create(given))

    def _create(self, given: dict[str, Any]) -> Answer:
        id = given.get("user_id", self.user.pk)
        # Of a stranger nobody is held: what the request's own user was is enough to say so, though not to let it pass.
        hold_standing({self.user.pk, id} if self.user.is_staff else {self.user.pk})
        is_of_staff = is_staff(self.user)
        visible = User.objects.filter(is_active=True)
        user = found(visible if is_of_staff else visible.filter(pk=self.user.pk), id)
        require(is_of_staff or given["reason"] == CreditEntry.Reason.USAGE, MAY_ONLY_USE)
        entry = change(user, given["amount"], given["reason"], given.get("metadata"))
        return Answer(self.answer(entry))
