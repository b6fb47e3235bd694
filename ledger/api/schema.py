"""What all operations of the ledger have in common in the OpenAPI document.

Separate because nothing here runs on a request: it says what ``base`` does.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from realtime.snapshots import HEADER

_CURSOR = OpenApiParameter(
    HEADER, str, OpenApiParameter.HEADER, response=[200], description="A place in the log, from before the rows."
)
_ID = OpenApiParameter("id", UUID, OpenApiParameter.PATH)
_ANY = {"401": "Sign in first.", "429": "Too many requests: wait for `Retry-After` seconds."}
_LISTED = {**_ANY, "400": "A list of messages for each parameter that is wrong."}
_ONE = {**_ANY, "404": "There is nothing of that id that you may see."}
_WRITTEN = {
    **_ONE,
    "400": "A list of messages for each field that is wrong, or `detail`.",
    "403": "You see it, but may not do this.",
    "409": "It does not go with what is there. Nothing was written.",
    "503": "Others were changing the same rows all the while. Nothing was written: try again.",
}


class LedgerSchema(AutoSchema):
    """Adds the cursor of a snapshot, and the ways to be refused."""

    def get_override_parameters(self) -> list[Any]:
        return [*([_CURSOR] if self.method == "GET" else []), *([_ID] if "{id}" in self.path else [])]

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        refusals = _WRITTEN if self.method != "GET" else _LISTED if self._is_list_view() else _ONE
        for status, description in sorted(refusals.items()):
            bodies.setdefault(status, {"description": description})
        return bodies


class StrictSerializerSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Says that unknown keys are refused."""

    target_class = "ledger.api.base.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**schema, "additionalProperties": False}
