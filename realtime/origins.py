"""Which pages may connect: the Origin rules, and the headers that tell a browser so.

Separate because they hold for every transport and come before any credential is looked at.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from realtime.conf import conf
from realtime.protocol.errors import ProtocolError

ANY = "*"
_PORTS = {"http": 80, "https": 443}


def check(request: HttpRequest, *, by_session: bool) -> None:
    """Let the request's page connect, or raise ProtocolError ``forbidden``.

    A session is a cookie that a browser sends along for any page that asks, so with it the page must be
    known to be ours or listed by name. A token or a ticket was handed over on purpose, also by what is no
    browser at all.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        if by_session and not _same_origin_without_header(request):
            raise ProtocolError("forbidden", "With a session an Origin is needed: use a token or a ticket.")
    elif not _allowed(origin, request, by_session=by_session):
        raise ProtocolError("forbidden", "This Origin is not on the list of those that may connect.")


def is_allowed(request: HttpRequest) -> bool:
    """Whether the request names an Origin that may connect by token or ticket."""
    origin = request.headers.get("Origin")
    return origin is not None and _allowed(origin, request, by_session=False)


def cors_headers(request: HttpRequest) -> list[tuple[bytes, bytes]]:
    """Headers that let an allowed page of another origin read the answer, and no other page."""
    origin = request.headers.get("Origin")
    headers = [(b"vary", b"origin")]
    if origin is not None and is_allowed(request):
        headers.append((b"access-control-allow-origin", origin.encode("latin-1")))
        if _allowed(origin, request, by_session=True):
            headers.append((b"access-control-allow-credentials", b"true"))
    return headers


def is_origin(text: str) -> bool:
    """Whether ``text`` is written as a browser writes an Origin."""
    try:
        found = _origin_of(text)
    except ValueError:
        return False
    if found is None:
        return False
    scheme, host, port = found
    shown = f"[{host}]" if ":" in host else host
    return text == f"{scheme}://{shown}" + ("" if port == _PORTS[scheme] else f":{port}")


def _allowed(origin: str, request: HttpRequest, *, by_session: bool) -> bool:
    if origin in conf.ALLOWED_ORIGINS or _is_own(origin, request):
        return True
    return ANY in conf.ALLOWED_ORIGINS and not by_session


def _is_own(url: str, request: HttpRequest) -> bool:
    try:
        # get_host() asks ALLOWED_HOSTS: a rebound DNS name is not ours for standing in both headers.
        own = f"{request.scheme}://{request.get_host()}"
        return _origin_of(url) == _origin_of(own) is not None
    except (DisallowedHost, ValueError):
        return False


def _origin_of(url: str) -> tuple[str, str, int] | None:
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme)
    return (parts.scheme, parts.hostname, port) if parts.hostname and port else None


def _same_origin_without_header(request: HttpRequest) -> bool:
    """Whether the browser says the page is ours: a page's own GETs, as of EventSource, have no Origin."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    # Sec-Fetch-Site comes with TLS and localhost only, and not from older browsers.
    return _is_own(request.headers.get("Referer", ""), request)
