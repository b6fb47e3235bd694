"""``/rules``: what fills in transactions, and running one over history.

Separate because a rule's conditions and actions refer to other resources, each to be found among what the user sees.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import may_write
from accounts.writes import atomically, persistently
from ledger import access
from ledger.api.base import LedgerViewSet, StrictSerializer
from ledger.api.fields import MoneyField
from ledger.api.targets import check_referred, hold, hold_family, require, writable_family
from ledger.filters import RuleFilter
from ledger.idempotency import Answer, keyed, once
from ledger.models import Payee, Rule
from ledger.money import MAX_DIGITS
from ledger.serializers import RuleRunSerializer, RuleSerializer
from ledger.services import rules
from ledger.services.sharing import hold_accounts
from realtime.holding import savepoint

MOST_PRIORITY = 1_000_000


class RuleChange(StrictSerializer):
    """What of a rule can be changed."""

    name = serializers.CharField(max_length=100)
    priority = serializers.IntegerField(min_value=-MOST_PRIORITY, max_value=MOST_PRIORITY, required=False)
    is_active = serializers.BooleanField(required=False)
    description_contains = serializers.CharField(max_length=200, allow_blank=True, required=False)
    amount_min = MoneyField(zero=True, max_digits=MAX_DIGITS, allow_null=True, required=False)
    amount_max = MoneyField(zero=True, max_digits=MAX_DIGITS, allow_null=True, required=False)
    account_id = serializers.UUIDField(allow_null=True, required=False)
    set_category = serializers.CharField(max_length=64, allow_blank=True, required=False)
    set_payee_id = serializers.UUIDField(allow_null=True, required=False)


class RuleInput(RuleChange):
    """What a rule is made of: conditions, all of which must hold, and what is then set."""

    family_id = serializers.UUIDField()


class RuleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, LedgerViewSet):
    """The rules of the user's families; one for a private account is seen by who sees the account."""

    serializer_class = RuleSerializer
    filterset_class = RuleFilter
    ordering_fields = ("priority", "name", "created_at")
    queryset = Rule.objects.none()

    def get_queryset(self) -> QuerySet[Rule]:
        return access.visible_rules(self.user)

    @keyed
    @extend_schema(request=RuleInput, responses={201: RuleSerializer})
    def create(self, request: Request) -> Response:
        """Add a rule to a family. It runs on new transactions; over history on request."""
        given = self.given(RuleInput)
        return once(request, lambda: self._create(given))

    @extend_schema(request=RuleChange, responses=RuleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a rule, or switch it on or off."""
        given = self.given(RuleChange, partial=True)
        return Response(atomically(lambda: self._change(given)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a rule; what it has set stays."""
        atomically(lambda: self._held_row(to_delete=True).delete())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=RuleRunSerializer)
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """Run a rule over the family's whole history, as far as the user sees it. It overrides what was set.

        Refused as soon as the user may not any more: what was set until then stays, and is told by ``RuleExecuted``.
        """
        row = self._writable_row()
        # Batches with a transaction each, so that a long history does not hold up everybody's writes.
        run = persistently(lambda: rules.run_history(row, self.user, refusal=self._refusal))
        return Response(RuleRunSerializer(run).data)

    def _create(self, given: dict[str, Any]) -> Answer:
        self._hold_rights(given["family_id"], given.get("account_id"))
        family = writable_family(self.user, given["family_id"])
        made = Rule(**given, created_by=self.user)
        self._check(made, given, family.pk)
        made.save()
        return Answer(self.answer(made))

    def _change(self, given: dict[str, Any]) -> Any:
        row = self._held_row(given.get("account_id"))
        for name, value in given.items():
            setattr(row, name, value)
        self._check(row, given, row.family_id)
        if given:
            row.save(update_fields=[name.removesuffix("_id") for name in given])
        return self.answer(row)

    def _held_row(self, target_id: UUID | None = None, *, to_delete: bool = False) -> Rule:
        """The rule as it is now, if it is still in sight: held, with the account that it is for, or is to be for."""
        row, held = self._writable_row(), {target_id}
        while True:
            held.add(row.account_id)
            self._hold_rights(row.family_id, *held)
            before = savepoint()
            hold(row, to_delete=to_delete)
            row = self._writable_row()
            if row.account_id in held:
                return row
            # Moved while we waited. Let go of it: who has the account that it is for now may be coming for the rule.
            transaction.savepoint_rollback(before)

    def _hold_rights(self, family_id: UUID, *account_ids: UUID | None) -> None:
        hold_family(self.user, family_id)
        hold_accounts(self.user, [id for id in account_ids if id is not None])

    def _writable_row(self) -> Rule:
        row: Rule = self.get_object()
        require(may_write(self.user, row.family_id))
        return row

    def _refusal(self) -> APIException | None:
        try:
            self._writable_row()
        except APIException as refusal:
            return refusal
        return None

    def _check(self, row: Rule, given: dict[str, Any], family_id: UUID) -> None:
        if given.get("account_id") is not None:
            accounts = access.visible_accounts(self.user).filter(family=family_id)
            check_referred("account_id", accounts, given["account_id"], _("an account of the family, or null"))
        if given.get("set_payee_id") is not None:
            payees = Payee.objects.filter(family=family_id)
            check_referred("set_payee_id", payees, given["set_payee_id"], _("a payee of the family, or null"))
        if row.amount_min is not None and row.amount_max is not None and row.amount_min > row.amount_max:
            raise ValidationError({"amount_max": [_("Give an amount that is not below amount_min.")]})
        # A rule whose payee was deleted sets nothing any more; it can still be renamed and switched off.
        is_asked = row._state.adding or not given.keys().isdisjoint({"set_category", "set_payee_id"})
        if is_asked and not (row.set_category or row.set_payee_id):
            raise ValidationError(
                {"set_category": [_("Give set_category or set_payee_id: a rule has to set something.")]}
            )
