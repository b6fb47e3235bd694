"""``/payees``, and which of them a description may mean.

Separate because payees belong to a family as a whole, not to an account.
"""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import families_of, may_write
from accounts.writes import atomically
from ledger import access
from ledger.api.base import LedgerViewSet, StrictSerializer
from ledger.api.errors import Conflict
from ledger.api.targets import found, hold, hold_family, require, writable_family
from ledger.filters import PayeeFilter
from ledger.idempotency import Answer, keyed, once
from ledger.models import Payee
from ledger.serializers import PayeeSerializer, SuggestionsSerializer
from ledger.services import payees


class PayeeChange(StrictSerializer):
    """What of a payee can be changed."""

    name = serializers.CharField(max_length=100)
    category = serializers.CharField(max_length=64, allow_blank=True, required=False)


class PayeeInput(PayeeChange):
    """What a payee is made of; a family knows each name once."""

    family_id = serializers.UUIDField()


class SuggestionQuery(StrictSerializer):
    """What payees are to be suggested for."""

    family_id = serializers.UUIDField()
    description = serializers.CharField(max_length=payees.LONGEST)


class PayeeViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, LedgerViewSet):
    """The payees of the user's families."""

    serializer_class = PayeeSerializer
    filterset_class = PayeeFilter
    ordering_fields = ("name", "created_at")
    queryset = Payee.objects.none()

    def get_queryset(self) -> QuerySet[Payee]:
        return access.visible_payees(self.user)

    @keyed
    @extend_schema(request=PayeeInput, responses={201: PayeeSerializer})
    def create(self, request: Request) -> Response:
        """Add a payee to a family."""
        given = self.given(PayeeInput)
        return once(request, lambda: self._create(given))

    @extend_schema(request=PayeeChange, responses=PayeeSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename a payee, or change its usual category; its transactions show the new name."""
        given = self.given(PayeeChange, partial=True)
        return Response(atomically(lambda: self._change(given)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a payee; its transactions lose the name."""
        atomically(lambda: self._row_with_right_held().delete())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        parameters=[SuggestionQuery],
        responses={
            200: SuggestionsSerializer,
            400: OpenApiResponse(description="A list of messages for each parameter."),
        },
    )
    @action(detail=False, filterset_class=None, pagination_class=None)
    def suggestions(self, request: Request) -> Response:
        """Suggest payees for a description, best first, learned from what the user sees of the family's past."""
        query = SuggestionQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        family = found(families_of(self.user), wanted["family_id"])
        suggestions = payees.suggest(family.pk, wanted["description"], user=self.user)
        rows = [each._asdict() for each in suggestions]
        return Response(SuggestionsSerializer({"description": wanted["description"], "suggestions": rows}).data)

    def _create(self, given: dict[str, Any]) -> Answer:
        hold_family(self.user, given["family_id"])
        family = writable_family(self.user, given["family_id"])
        made = Payee(**{**given, "family_id": family.pk})
        return Answer(self._saved(made))

    def _change(self, given: dict[str, Any]) -> Any:
        row = self._held_row()
        for name, value in given.items():
            setattr(row, name, value)
        return self._saved(row, update_fields=list(given)) if given else self.answer(row)

    def _saved(self, row: Payee, **options: Any) -> Any:
        try:
            with transaction.atomic():
                row.save(**options)
        except IntegrityError as error:
            raise Conflict(_("The family has a payee of that name: use it, or give another name."), "taken") from error
        return self.answer(row)

    def _held_row(self) -> Payee:
        hold(self._row_with_right_held())
        return self._writable_row()  # as it is now

    def _row_with_right_held(self) -> Payee:
        """The payee, read once nobody changes any more what the user may do with it."""
        hold_family(self.user, self._writable_row().family_id)
        return self._writable_row()

    def _writable_row(self) -> Payee:
        row: Payee = self.get_object()
        require(may_write(self.user, row.family_id))
        return row
