"""The HTTP request that every connection begins with, whatever the transport.

Separate so that credentials, origins and query strings are read by Django's own code from a WebSocket
handshake, a raw ASGI stream and a view alike, proxies' headers included.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, QueryDict
from django.http.request import HttpHeaders
from django.utils.functional import cached_property

from realtime.protocol.errors import ProtocolError

MAX_AGENT = 200
LONGEST_SHARED = 100  # bytes of a query that is kept for others to share: shorter than any credential
SHARED_QUERIES = 1000

_SCHEMES = {"ws": "http", "wss": "https"}


def request_of(scope: Mapping[str, Any]) -> HttpRequest:
    """The request in ``scope``, without a body."""
    return _Request(scope)


def query_of(request: HttpRequest) -> QueryDict:
    """The query string's fields. Raises ProtocolError ``bad_message`` when there are absurdly many."""
    try:
        return request.GET
    except SuspiciousOperation as error:
        raise ProtocolError("bad_message", "The query string has too many fields.") from error


def agent_in(scope: Mapping[str, Any]) -> str:
    """What the client calls itself in the headers of an ASGI scope."""
    said = next((value for name, value in scope.get("headers", ()) if name == b"user-agent"), b"")
    return agent(said.decode("latin-1"))


@lru_cache(maxsize=SHARED_QUERIES)
def agent(said: str) -> str:
    """What a client calls itself, without what no text should hold; one text for all who say the same."""
    return sys.intern("".join(letter for letter in said[:MAX_AGENT] if letter.isprintable()))


class _Request(ASGIRequest):
    """A request that Django reads when it is asked: most connections show a token in one header, and nothing else."""

    def __init__(self, scope: Mapping[str, Any]) -> None:  # all that Django's would do is done by _as_django_reads_it
        scheme = scope.get("scheme", "http")
        self.scope = {
            **scope,
            "method": scope.get("method", "GET"),
            "scheme": _SCHEMES.get(scheme, scheme),
            "query_string": scope.get("query_string", b"").decode("ascii", "replace"),
        }
        self.method = self.scope["method"].upper()
        self.path = scope["path"]

    @cached_property
    def _as_django_reads_it(self) -> ASGIRequest:
        return ASGIRequest(self.scope, io.BytesIO())

    @cached_property
    def META(self) -> dict[str, Any]:  # type: ignore[override]  # noqa: N802  (Django's name)
        return self._as_django_reads_it.META

    @cached_property
    def headers(self) -> Mapping[str, str]:  # type: ignore[override]
        return _Headers(self.scope)

    @cached_property
    def GET(self) -> QueryDict:  # type: ignore[override]  # noqa: N802  (Django's name)
        text = self.scope["query_string"]
        return _shared_query(text) if len(text) <= LONGEST_SHARED else QueryDict(text)

    @cached_property
    def COOKIES(self) -> dict[str, str]:  # type: ignore[override]  # noqa: N802  (Django's name)
        return self._as_django_reads_it.COOKIES if "Cookie" in self.headers else {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._as_django_reads_it, name)


class _Headers(Mapping[str, str]):
    """The headers, one at a time. What is there more than once is for Django to join."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._scope = scope
        self._raw: list[tuple[bytes, bytes]] = scope.get("headers") or []

    def __getitem__(self, name: str) -> str:
        wanted = name.lower().encode("latin-1")
        values = [value for key, value in self._raw if key == wanted]
        if not values:
            raise KeyError(name)
        return values[0].decode("latin-1") if len(values) == 1 else str(self._all[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def _all(self) -> Mapping[str, str]:
        return HttpHeaders(ASGIRequest(self._scope, io.BytesIO()).META)


@lru_cache(maxsize=SHARED_QUERIES)
def _shared_query(text: str) -> QueryDict:
    return QueryDict(text)
