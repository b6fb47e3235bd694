"""What of an installation would only hurt once it is reached: said by ``manage.py check --deploy``.

Beside those of ``realtime``, which know nothing of this project's environment.
"""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register

from config import env

NOBODY_ENDS_TLS = "is on, but nothing ends TLS: every request would be redirected to itself"
END_TLS = "Name the proxy that does in PROXIES, or this server's own certificate in TLS_CERTIFICATE, or set HTTPS=0."


@register(Tags.security, deploy=True)
def tls_ends_somewhere(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A request that is redirected to TLS finds somebody there."""
    if settings.ENVIRONMENT.is_reachable:
        return []
    return [checks.Warning(f"HTTPS {NOBODY_ENDS_TLS}.", hint=END_TLS, id="config.W001")]


@register(Tags.security, deploy=True)
def keys_are_nobody_elses(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """No key is one that stands in the source: with DEBUG on, those are accepted."""
    known = {
        "SECRET_KEY": settings.SECRET_KEY == env.DEFAULT_SECRET_KEY,
        "JWT_SIGNING_KEY": settings.SIMPLE_JWT["SIGNING_KEY"] == env.DEFAULT_JWT_SIGNING_KEY,
    }
    return [
        checks.Warning(
            f"{name} is the built-in one, which everybody knows.",
            hint='Make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))"',
            id="config.W002",
        )
        for name, is_known in known.items()
        if is_known
    ]
