"""The bounds that this server keeps: ``settings.REALTIME`` where a Django project is served, else the defaults."""

from __future__ import annotations

from django.conf import settings

from realtime.conf import Settings, conf

_DEFAULTS = Settings()


def limits() -> Settings:
    """Return the bounds. For a connection: whoever serves another kind of application has not set Django up."""
    return conf if settings.configured else _DEFAULTS
