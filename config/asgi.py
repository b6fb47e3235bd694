"""The ASGI application: what any server is told to serve.

Django is set up before routing is imported, because consumers import models.
"""

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

from config import env

env.use_settings()
django_application = get_asgi_application()

from config.routing import http_routes, websocket_routes  # noqa: E402  (needs the apps)

application = ProtocolTypeRouter(
    {
        "http": http_routes(django_application),
        "websocket": websocket_routes(),
    }
)
