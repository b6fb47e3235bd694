"""Whether the user whom a credential names may use it: by simplejwt's checks, the session's hash, the host's rule.

Apart from ``tokens``, which finds and reads credentials: what is asked here is asked again for as long as one lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string
from rest_framework.exceptions import APIException
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import Token

from realtime.conf import conf
from realtime.protocol.errors import ProtocolError

SIGNED_OUT = "You have been signed out: sign in again."


def user_of(token: Token | Mapping[str, Any], row: AbstractBaseUser | None = None) -> AbstractBaseUser:
    """The user a token speaks for, in one query or as given: known, active, the password unchanged since.

    Raises ProtocolError ``unauthenticated`` where there is none, or none any more.
    """
    authentication = JWTAuthentication()
    if row is not None:
        authentication.user_model = _RowInHand(row)  # type: ignore[assignment]
    try:
        return authentication.get_user(token)  # type: ignore[arg-type]  # claims are all it reads
    except (APIException, ValidationError, ValueError, TypeError) as error:
        raise ProtocolError("unauthenticated", "The token is no longer good: sign in again.") from error


def ask_rule(user: AbstractBaseUser, claims: Mapping[str, Any]) -> None:
    """Let the host project refuse a token that its user has ended, by ProtocolError ``unauthenticated``.

    Sessions carry that in their hash.
    """
    if conf.AUTHENTICATION_RULE and not import_string(conf.AUTHENTICATION_RULE)(user, claims):
        raise ProtocolError("unauthenticated", SIGNED_OUT)


def check_hash(user: AbstractBaseUser, hash: str) -> None:
    """Refuse a session begun before its user's password was changed: ProtocolError ``unauthenticated``."""
    if not constant_time_compare(hash, user.get_session_auth_hash()):
        raise ProtocolError("unauthenticated", SIGNED_OUT)


class _RowInHand:
    """The user model to simplejwt, where the one row it will ask for has been read: its checks remain its own."""

    def __init__(self, user: AbstractBaseUser) -> None:
        self.DoesNotExist = type(user).DoesNotExist
        self._user = user

    @property
    def objects(self) -> _RowInHand:
        """The manager: kept as an attribute, it would be a cycle for the collector of garbage."""
        return self

    def get(self, **conditions: Any) -> AbstractBaseUser:
        return self._user
