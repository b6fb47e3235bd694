"""How this app stands in the OpenAPI document: its sign-in, and the ways to be refused."""

from __future__ import annotations

from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.openapi import AutoSchema

_SIGNED_OUT = {"401": "Sign in first, or again.", "429": "Too many requests: wait for `Retry-After` seconds."}
_NOT_THERE = {"404": "There is no family, member or page that you may see there."}
_WRITTEN = {
    "400": "A list of messages for each field that is wrong, or `detail`.",
    "403": "You see it, but may not do this.",
    "409": "It would break a rule of families. Nothing was written.",
    "503": "Others were changing the same rows all the while. Nothing was written: try again.",
}


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    """Bearer tokens, as with simplejwt's own class: spectacular does not look at base classes."""

    target_class = "accounts.authentication.TokenAuthentication"


class AccountsSchema(AutoSchema):
    """Adds the ways to be refused."""

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        is_family = "families" in self.path
        refusals = {**_SIGNED_OUT, **(_NOT_THERE if is_family else {})}
        if self.method != "GET":
            refusals |= _WRITTEN if is_family else {"400": _WRITTEN["400"]}
        for status, description in sorted(refusals.items()):
            bodies.setdefault(status, {"description": description})
        return bodies
