"""Which tokens are good: the one rule, for REST and for every transport of events.

REST uses ``TokenAuthentication``; ``realtime`` asks ``is_current``, which ``REALTIME`` names as its
``AUTHENTICATION_RULE``. That the password is unchanged is checked by simplejwt beside it
(``CHECK_REVOKE_TOKEN``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from accounts.models import User
from realtime import tickets

SIGN_OUTS = "sign_outs"


def is_current(user: User, claims: Mapping[str, Any] | None) -> bool:
    """Whether who holds these claims may still speak for the user; None: a session, which Django has checked.

    A token made elsewhere in the project by ``for_user()`` holds no number and counts as made before the
    first sign-out. A ticket bought by a session holds that session's hash instead.
    """
    if not user.is_active:
        return False
    if claims is None:
        return True
    if tickets.SESSION in claims:
        return constant_time_compare(str(claims[tickets.SESSION]), user.get_session_auth_hash())
    return bool(claims.get(SIGN_OUTS, 0) == user.sign_outs)


def issue(user: User) -> RefreshToken:
    """Make a refresh token, good until the user's next sign-out; its access tokens hold the same claims."""
    token = RefreshToken.for_user(user)
    token[SIGN_OUTS] = user.sign_outs
    return token


def issue_access(user: User) -> AccessToken:
    """Make an access token without a refresh token, for a program of the staff's own. Touches no database."""
    token = AccessToken.for_user(user)
    token[SIGN_OUTS] = user.sign_outs
    return token


class TokenAuthentication(JWTAuthentication):
    """simplejwt's own, and refuses tokens older than the user's latest sign-out."""

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]
        user = super().get_user(validated_token)
        assert isinstance(user, User)
        if not is_current(user, validated_token.payload):
            raise AuthenticationFailed(_("You have signed out. Sign in again."), code="signed_out")
        return user
