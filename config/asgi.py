"""The ASGI application: what any server is told to serve.

Django is set up before routing is imported, because consumers import models.
"""

from django.core.asgi import get_asgi_application

from config import env

env.use_settings()
django_application = get_asgi_application()

from config.proxies import behind_proxies  # noqa: E402  (needs the settings)
from config.routing import http_routes, websocket_routes  # noqa: E402  (needs the apps)
from realtime.transports.routing import by_protocol  # noqa: E402

application = behind_proxies(
    by_protocol(
        {
            "http": http_routes(django_application),
            "websocket": websocket_routes(),
        }
    )
)
