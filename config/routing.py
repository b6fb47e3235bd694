"""Every address that is not one of Django's views: sockets, and what stands ahead of Django.

A stream in a Django view would hold a thread for as long as it is open; a poll without news would ask the database.
"""

from typing import Any

from django.urls import re_path

from accounts.consumers import FamilyConsumer, UserConsumer
from ledger.consumers import AccountConsumer
from realtime.transports.quick_polls import QuickPolls
from realtime.transports.routing import Routes
from realtime.transports.sse import own_stream, stream_app
from realtime.transports.websocket import GatewayConsumer, GlobalConsumer, NowhereConsumer, StaffConsumer


def http_routes(django_application: Any) -> Routes:
    """Return the HTTP application: streams first, then polls without news, everything else to Django."""
    return Routes(
        [
            _route(r"^api/v1/stream/?\Z", stream_app),
            _route(r"^api/credits/sse/?\Z", own_stream("user")),
            _route(r"^api/v1/events\Z", QuickPolls(django_application)),
            _route(r"", django_application),
        ]
    )


def websocket_routes() -> Routes:
    """Return the WebSocket application: the gateway, and one consumer per channel type."""
    return Routes(
        [
            _route(r"^(?:v1/)?ws/?\Z", GatewayConsumer.as_asgi()),
            _route(r"^ws/family/(?P<key>[^/]+)/?\Z", FamilyConsumer.as_asgi()),
            _route(r"^ws/user/(?P<key>[^/]+)/?\Z", UserConsumer.as_asgi()),
            _route(r"^ws/account/(?P<key>[^/]+)/?\Z", AccountConsumer.as_asgi()),
            _route(r"^ws/global/?\Z", GlobalConsumer.as_asgi()),
            _route(r"^ws/staff/?\Z", StaffConsumer.as_asgi()),
            _route(r"", NowhereConsumer.as_asgi()),
        ]
    )


def _route(pattern: str, application: Any) -> Any:
    """Return a route to an ASGI application, of which Django's types know nothing."""
    return re_path(pattern, application)
