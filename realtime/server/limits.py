"""The bounds that this server keeps: ``settings.REALTIME`` where a Django project is served, else the defaults."""

from __future__ import annotations

from django.conf import settings

from realtime.conf import Settings, conf

_DEFAULTS = Settings()
_is_configured = False


def limits() -> Settings:
    """Return the bounds. For a connection: whoever serves another kind of application has not set Django up."""
    global _is_configured  # for good: it is asked for each connection, and takes a while to say
    _is_configured = _is_configured or settings.configured
    return conf if _is_configured else _DEFAULTS
