"""How this app's sign-in stands in the OpenAPI document."""

from __future__ import annotations

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    """Bearer tokens, as with simplejwt's own class: spectacular does not look at base classes."""

    target_class = "accounts.authentication.TokenAuthentication"
