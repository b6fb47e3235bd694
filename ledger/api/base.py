"""What every endpoint of the ledger has in common.

Separate so that a resource's module says only what is particular to it: its rows, its rights, its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.views import signed_in
from ledger.api import paging
from ledger.api.errors import as_answer
from ledger.api.parsers import ExactJSONParser
from ledger.api.schema import LedgerSchema
from ledger.api.targets import found
from ledger.api.throttles import ScopedThrottle
from realtime.snapshots import SnapshotCursorMixin


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses keys it does not know: a misspelt one would otherwise be a change that silently did not happen."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = [name for name, field in self.fields.items() if not field.read_only]
            unknown = sorted(str(key) for key in data if key not in known)
            if unknown:
                raise ValidationError({key: [f"Unknown. Give only: {', '.join(known)}."] for key in unknown})
        return super().to_internal_value(data)


class LedgerViewSet(SnapshotCursorMixin, GenericViewSet[Any]):
    """Parses exactly, counts by scope, pages by place, and answers 404 in one voice."""

    schema = LedgerSchema()
    parser_classes = [ExactJSONParser]
    throttle_classes = [ScopedThrottle]
    throttle_scope = "ledger_read"
    throttle_scope_write = "ledger_write"
    pagination_class = paging.KeysetPagination
    ordering_fields: tuple[str, ...] = ("-created_at",)
    # A malformed id is an unknown object like any other: it gets this API's 404, not the router's.
    lookup_value_regex = "[^/]+"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action == "list":
            self._refuse_unknown_parameters(request)

    def _refuse_unknown_parameters(self, request: Request) -> None:
        filterset = getattr(self, "filterset_class", None)
        known = {*paging.PARAMETERS, *(filterset.base_filters if filterset else ())}
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            raise ValidationError({name: [f"Unknown. Give only: {', '.join(sorted(known))}."] for name in unknown})

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(as_answer(exc))

    @property
    def user(self) -> User:
        """The user who asks."""
        return signed_in(self.request)

    def given(self, serializer_class: type[StrictSerializer], *, partial: bool = False) -> dict[str, Any]:
        """Return the request's body, checked; of a partial one only what it holds."""
        serializer = serializer_class(data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def answer(self, row: Any) -> Any:
        """Put a row into the words of this resource."""
        return self.get_serializer(row).data

    def get_object(self) -> Any:
        return found(self.get_queryset(), self.kwargs[self.lookup_url_kwarg or self.lookup_field])
