"""Who is at the other end of a connection, by whatever credential came with it.

Separate because every transport admits by the same rules, in the same order, and only here are tokens read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from importlib import import_module
from typing import Any, Literal

import msgspec
from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from realtime import origins, tickets
from realtime.access import present
from realtime.conf import conf
from realtime.handshake import query_of
from realtime.holder import SIGNED_OUT, ask_rule, check_hash, user_of
from realtime.plain_tokens import payload_of
from realtime.protocol.errors import ProtocolError
from realtime.threads import run_db

By = Literal["header", "subprotocol", "ticket", "query", "session"]

BEARER_SUBPROTOCOL = "bearer."


@dataclass(slots=True)  # these three are not frozen: each connection makes them, and that takes three times as long
class Credentials:
    """Who was admitted, until when (None: for as long as it lasts), and by what."""

    user: AbstractBaseUser
    expires_at: datetime | None
    by: By
    said: bytes = field(default=b"{}", repr=False)  # the claims, as JSON: many are kept, and few looked at again

    @property
    def claims(self) -> Mapping[str, Any]:
        """What the credential says."""
        claims: dict[str, Any] = msgspec.json.decode(self.said)
        return claims


@dataclass(slots=True)
class Claim:
    """A credential that was read and says whose it is; whether it is still good, the user's row will tell.

    ``pk`` is that user's key, None where only the database can find them. ``judge`` makes Credentials of that user's
    row, or raises ProtocolError; ``settle`` looks in the database itself. ``mark`` is what a credential is known again
    by, None where it has to be judged each time.
    """

    pk: Any
    judge: Callable[[AbstractBaseUser], Credentials] = field(repr=False)
    settle: Callable[[], Credentials] = field(repr=False)
    mark: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class Presented:
    """A credential as it came, from a page that may connect. Nobody has looked at it yet."""

    by: By
    secret: str = field(repr=False)
    mark: bytes | None = field(repr=False, init=False)
    """What a token is known again by; None for what is good once, or looked up each time."""

    def __post_init__(self) -> None:
        is_token = self.by not in ("session", "ticket")
        self.mark = hashlib.sha256(f"{self.by} {self.secret}".encode()).digest() if is_token else None


def presented_in(request: HttpRequest, subprotocols: Collection[str] = ()) -> Presented:
    """The first credential of a request: it decides, and a bad one does not give way to the next.

    Raises ProtocolError: ``unauthenticated`` for none, ``forbidden`` for a page that may not connect.
    """
    by, secret = _presented(request, subprotocols)
    if by == "query":
        _allow(by)
    return Presented(by, secret)


async def claim_of(presented: Presented) -> Claim:
    """Read a credential. Raises ProtocolError: ``token_expired`` for a token to be renewed, else ``unauthenticated``.

    A token is read at once; a ticket is spent and a session looked up, which is work for the database.
    """
    claim = claim_in_memory(presented)
    return await run_db(_claim, presented) if claim is None else claim


def claim_in_memory(presented: Presented) -> Claim | None:
    """Read a credential if no database is needed for that, None otherwise. Raises as claim_of does."""
    return None if presented.mark is None or not _are_read_in_memory() else _claim(presented)


async def authenticate_token(token: str) -> Credentials:
    """Admit by a bare access token, as ``Authenticate`` gives it. Raises as claim_of does."""
    return await run_db(_by_token, token, "header")


def authenticate_request(request: HttpRequest) -> Credentials:
    """Admit the client of a view, by the same rules. Raises as presented_in and claim_of do."""
    by, secret = _presented(request, ())
    return _admit(by, secret)


def recheck(credentials: Credentials) -> AbstractBaseUser:
    """The user as they are now, if what admitted them is still good; raise ProtocolError ``signed_out`` if not.

    A credential made after the change that ended others passes: it is the newer one. Who was admitted as staff and is
    none any more does not.
    """
    claims, before = credentials.claims, credentials.user
    user: AbstractBaseUser
    try:
        if tickets.SESSION in claims:
            user = present(before)
            check_hash(user, claims[tickets.SESSION])
        else:
            user = user_of(claims)
            ask_rule(user, claims)
    except ProtocolError as error:
        raise ProtocolError("signed_out") from error
    if getattr(before, "is_staff", False) and not getattr(user, "is_staff", False):
        raise ProtocolError("signed_out")
    return user


def _presented(request: HttpRequest, subprotocols: Collection[str]) -> tuple[By, str]:
    by, secret = _first_credential(request, subprotocols)
    origins.check(request, by_session=by == "session")
    return by, secret


def _first_credential(request: HttpRequest, subprotocols: Collection[str]) -> tuple[By, str]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return "header", value.strip()
    for name in subprotocols:
        if name.startswith(BEARER_SUBPROTOCOL):
            return "subprotocol", name.removeprefix(BEARER_SUBPROTOCOL)
    query = query_of(request)
    if "ticket" in query:
        return "ticket", str(query["ticket"])
    if "token" in query:
        return "query", str(query["token"])
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        return "session", request.COOKIES[settings.SESSION_COOKIE_NAME]
    raise ProtocolError("unauthenticated", "Sign in first, or send an access token or a ticket.")


def _admit(by: By, secret: str) -> Credentials:
    if by == "session":
        return _by_session(secret)
    if by == "ticket":
        return _by_ticket(secret)
    _allow(by)
    return _by_token(secret, by)


def _allow(by: By) -> None:
    if by == "query" and not conf.QUERY_TOKEN:
        raise ProtocolError("unauthenticated", "Tokens are not taken from the query here: get a ticket.")


def _claim(presented: Presented) -> Claim:
    by, secret = presented.by, presented.secret
    if presented.mark is None:
        credentials = _admit(by, secret)
        return Claim(credentials.user.pk, partial(_judge_again, credentials), lambda: credentials)
    claims = _claims_in(secret)
    return Claim(_key_in(claims), partial(_judge, claims, by), partial(_judge, claims, by, None), presented.mark)


def _by_token(raw: str, by: By) -> Credentials:
    return _judge(_claims_in(raw), by, None)


def _claims_in(raw: str) -> Mapping[str, Any]:
    """The claims of an access token whose signature and time are good."""
    kinds = api_settings.AUTH_TOKEN_CLASSES
    plain = next((claims for kind in kinds if (claims := payload_of(raw, kind)) is not None), None)
    return plain if plain is not None else _decoded(raw, kinds).payload


def _judge(claims: Mapping[str, Any], by: By, user: AbstractBaseUser | None) -> Credentials:
    """Admit by these claims, if their user's row says so; None: read the row."""
    user = user_of(claims, user)
    ask_rule(user, claims)
    return Credentials(user, datetime_from_epoch(claims["exp"]), by, msgspec.json.encode(claims))


def _judge_again(credentials: Credentials, user: AbstractBaseUser) -> Credentials:
    """The same credentials, if they are good for this row of their user too."""
    claims = credentials.claims
    if tickets.SESSION not in claims:
        ask_rule(user_of(claims, user), claims)
    elif user.is_active:
        check_hash(user, claims[tickets.SESSION])
    else:
        raise ProtocolError("unauthenticated", SIGNED_OUT)
    return replace(credentials, user=user)


def _by_ticket(raw: str) -> Credentials:
    ticket = _decoded(raw, [tickets.Ticket])
    until = tickets.spend(ticket)
    user = user_of(ticket)
    session = ticket.get(tickets.SESSION)
    if session is None:
        ask_rule(user, ticket.payload)
    else:
        check_hash(user, session)
    return Credentials(user, until, "ticket", msgspec.json.encode(ticket.payload))


def _by_session(key: str) -> Credentials:
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    request = HttpRequest()
    request.session = _SeenSession(store.items())  # type: ignore[assignment]
    user = get_user(request)
    if not isinstance(user, AbstractBaseUser) or not user.is_active:
        raise ProtocolError("unauthenticated", "The session has ended: sign in again.")
    return Credentials(user, None, "session", msgspec.json.encode({tickets.SESSION: user.get_session_auth_hash()}))


class _SeenSession(dict[str, Any]):
    """A session that is looked at and left alone.

    When the key behind its hash has been rotated, get_user() would give it a new name: a WebSocket could not
    tell the browser, and its pages would be signed out.
    """

    def flush(self) -> None:
        self.clear()

    def cycle_key(self) -> None:
        pass


def _decoded(raw: str, kinds: Sequence[type[Token]]) -> Token:
    """``raw`` as the first of ``kinds`` it is, its signature and its time checked."""
    for kind in kinds:
        try:
            return kind(raw.encode())  # type: ignore[arg-type]
        except ExpiredTokenError as error:
            raise ProtocolError("token_expired", "The token has expired: get a new one.") from error
        except (TokenError, ValueError):
            continue
    raise ProtocolError("unauthenticated", "The token is not valid here: sign in again.")


def _are_read_in_memory() -> bool:
    """Whether reading a token is arithmetic alone: no keys to be fetched, no list to be searched for it."""
    kinds = api_settings.AUTH_TOKEN_CLASSES
    return not api_settings.JWK_URL and all(kind.verify is Token.verify for kind in kinds)


@lru_cache(maxsize=1)
def _key_of(user_model: str) -> Any:
    return get_user_model()._meta.pk


def _key_in(claims: Mapping[str, Any]) -> Any:
    """The key of the user that a token names, None where that is no key."""
    key = _key_of(settings.AUTH_USER_MODEL)
    if api_settings.USER_ID_FIELD not in ("pk", key.name, key.attname):
        return None
    try:
        return key.to_python(claims.get(api_settings.USER_ID_CLAIM))
    except (ValidationError, ValueError, TypeError):
        return None
