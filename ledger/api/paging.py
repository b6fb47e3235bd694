"""Pages of a list that neither repeat nor skip a row while others add rows.

Separate because the paginators of REST framework count rows within equal values; a page here starts after a row's
own place (the ordering's value, then the id), which no later row can shift.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from django.core.signing import BadSignature, Signer
from django.db.models import Model, Q
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_PAGE_TEXT = 4000

LIMIT, PAGE, ORDERING = "limit", "page", "ordering"
PARAMETERS = frozenset({LIMIT, PAGE, ORDERING})


@dataclass(frozen=True)
class Place:
    """Where a page starts: just after (or, backwards, just before) the row with this value and id."""

    ordering: str
    backwards: bool
    value: str
    id: str

    def encode(self, of: type[Model]) -> str:
        """Write it as text that only this project can make, and only for lists of this model."""
        return _signer(of).sign_object(list(astuple(self)))

    @classmethod
    def parse(cls, text: str, of: type[Model]) -> Place:
        """Read back what ``encode`` wrote; raises ``ValidationError`` for anything else."""
        try:
            return cls(*_signer(of).unsign_object(text[:MAX_PAGE_TEXT]))
        except BadSignature as error:
            raise ValidationError(
                {PAGE: ["This is not a page of this list. Take `page` from `next` or `previous`, unchanged."]}
            ) from error


def _signer(model: type[Model]) -> Signer:
    # Signed so that what comes back needs no checking: it is a value that the column held.
    return Signer(salt=f"page of {model._meta.label}")


class KeysetPagination(BasePagination):
    """``?limit=&ordering=&page=``; the view names its ``ordering_fields``, the default ordering first.

    A limit above ``MAX_LIMIT`` is lowered to it. ``next`` and ``previous`` are whole addresses, or null.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        self.request = request
        self.limit = _limit(request)
        self.ordering = _ordering(request, view)
        self.place = _place(request, self.ordering, queryset.model)
        self.backwards = self.place is not None and self.place.backwards
        descending = self.ordering.startswith("-") != self.backwards
        self.field = self.ordering.lstrip("-")
        if self.place is not None:
            queryset = queryset.filter(_beyond(queryset.model, self.field, self.place, descending=descending))
        sign = "-" if descending else ""
        rows = list(queryset.order_by(f"{sign}{self.field}", f"{sign}pk")[: self.limit + 1])
        self.has_more = len(rows) > self.limit
        rows = rows[: self.limit]
        self.rows = rows[::-1] if self.backwards else rows
        return self.rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next(), "previous": self._previous(), "results": data})

    def _next(self) -> str | None:
        if not self.rows or not (self.has_more or self.backwards):
            return None
        return self._address(self.rows[-1], backwards=False)

    def _previous(self) -> str | None:
        if not self.rows or (not self.has_more if self.backwards else self.place is None):
            return None
        return self._address(self.rows[0], backwards=True)

    def _address(self, row: Model, *, backwards: bool) -> str:
        field = row._meta.get_field(self.field)
        place = Place(self.ordering, backwards, field.value_to_string(row), str(row.pk))  # type: ignore[union-attr]
        return replace_query_param(self.request.build_absolute_uri(), PAGE, place.encode(type(row)))

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        address = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": address, "previous": address, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            _parameter(LIMIT, {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
            _parameter(ORDERING, {"type": "string", "enum": _choices(view), "default": view.ordering_fields[0]}),
            _parameter(PAGE, {"type": "string"}, "Opaque; taken from `next` or `previous` of another page."),
        ]


def _limit(request: Request) -> int:
    text = request.query_params.get(LIMIT)
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise ValidationError({LIMIT: [f"Give a whole number from 1 to {MAX_LIMIT}."]})
    return min(int(text), MAX_LIMIT)


def _choices(view: Any) -> list[str]:
    names = [name.lstrip("-") for name in view.ordering_fields]
    return [*names, *(f"-{name}" for name in names)]


def _ordering(request: Request, view: Any) -> str:
    text: str = request.query_params.get(ORDERING, view.ordering_fields[0])
    if text not in _choices(view):
        raise ValidationError({ORDERING: [f"Give one of: {', '.join(_choices(view))}."]})
    return text


def _place(request: Request, ordering: str, model: type[Model]) -> Place | None:
    text = request.query_params.get(PAGE)
    if text is None:
        return None
    place = Place.parse(text, model)
    if place.ordering != ordering:
        raise ValidationError(
            {PAGE: [f"This page belongs to ordering={place.ordering}. Give both as `next` had them."]}
        )
    return place


def _beyond(model: type[Model], field: str, place: Place, *, descending: bool) -> Q:
    side = "lt" if descending else "gt"
    value = model._meta.get_field(field).to_python(place.value)  # type: ignore[union-attr]
    # The first bound says nothing new, but lets the database enter its index there.
    return Q(**{f"{field}__{side}e": value}) & (
        Q(**{f"{field}__{side}": value}) | Q(**{field: value, f"pk__{side}": place.id})
    )


def _parameter(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
