"""The HTTP request that every connection begins with, whatever the transport.

Separate so that credentials, origins and query strings are read by Django's own code from a WebSocket
handshake, a raw ASGI stream and a view alike, proxies' headers included.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, QueryDict

from realtime.protocol.errors import ProtocolError

MAX_AGENT = 200
_SCHEMES = {"ws": "http", "wss": "https"}


def request_of(scope: Mapping[str, Any]) -> HttpRequest:
    """The request in ``scope``, without a body."""
    scheme = scope.get("scheme", "http")
    as_http = {
        "method": scope.get("method", "GET"),
        "scheme": _SCHEMES.get(scheme, scheme),
        "query_string": scope.get("query_string", b"").decode("ascii", "replace"),
    }
    return ASGIRequest({**scope, **as_http}, io.BytesIO())


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


def agent(said: str) -> str:
    """What a client calls itself, without what no text should hold; one text for all who say the same."""
    return sys.intern("".join(letter for letter in said[:MAX_AGENT] if letter.isprintable()))
