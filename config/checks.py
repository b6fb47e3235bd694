"""What of an installation would only hurt once it is reached: said by ``manage.py check --deploy``.

Beside those of ``realtime``, which know nothing of this project's environment.
"""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register

NOBODY_ENDS_TLS = "is on, but nothing ends TLS: every request would be redirected to itself"
END_TLS = "Name the proxy that does in PROXIES, or this server's own certificate in TLS_CERTIFICATE, or set HTTPS=0."


@register(Tags.security, deploy=True)
def tls_ends_somewhere(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A request that is redirected to TLS finds somebody there."""
    if settings.ENVIRONMENT.is_reachable:
        return []
    return [checks.Warning(f"HTTPS {NOBODY_ENDS_TLS}.", hint=END_TLS, id="config.W001")]
