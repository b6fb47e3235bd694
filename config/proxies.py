"""Whose word is taken on where a client is and whether it came by TLS: the proxies that ``PROXIES`` names.

Ahead of everything that asks for an address, on whatever server: what others write into those headers is nobody's
address, and no limit counts by it.
"""

from typing import Any

from django.conf import settings
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


def behind_proxies(application: Any) -> Any:
    """Return the application as it is to be served: where there are proxies, with the clients behind them."""
    return ProxyHeadersMiddleware(application, settings.PROXIES) if settings.PROXIES else application
