"""What is measured, as Prometheus asks for it: of all processes of a server together, and of the log itself.

Separate because only here is it known that there are several: where ``PROMETHEUS_MULTIPROC_DIR`` was set when they
started, each keeps its numbers in a file there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from drf_spectacular.utils import extend_schema
from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import ValueClass
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from realtime import log
from realtime.access import may_see_figures
from realtime.conf import conf
from realtime.metrics import LOG_FLOOR, LOG_POSITION, LOG_READABLE, OUTBOX_AGE
from realtime.transports.polling import TransportAuthentication, TransportView


class LogCollector(Collector):
    """The log and the outbox as they are when somebody asks. Nothing of them is kept between."""

    def collect(self) -> Iterator[Metric]:
        """Ask the database; where it does not answer, that is all there is to tell."""
        try:
            head, since = log.head(), log.waiting_since()
        except DatabaseError:
            yield GaugeMetricFamily(*LOG_READABLE, value=0)
            return
        age = 0.0 if since is None else (timezone.now() - since).total_seconds()
        yield GaugeMetricFamily(*LOG_READABLE, value=1)
        yield GaugeMetricFamily(*LOG_POSITION, value=head.position)
        yield GaugeMetricFamily(*LOG_FLOOR, value=head.floor)
        yield GaugeMetricFamily(*OUTBOX_AGE, value=max(0.0, age))


def exposition(accept: str = "") -> tuple[bytes, str]:
    """Everything that is measured, and its content type."""
    registry = CollectorRegistry()
    if getattr(ValueClass, "_multiprocess", False):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(LogCollector())
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


SCRAPER = "scraper"


class Scraper:
    """Who holds ``METRICS_TOKEN``: no user, and may see nothing but this."""

    is_authenticated = True
    is_active = True
    is_staff = False
    pk = None


class MetricsAuthentication(TransportAuthentication):
    """The token of ``METRICS_TOKEN`` as a bearer's, or any credential of a user."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        """The scraper, or a user. Raises ProtocolError."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        wanted = conf.METRICS_TOKEN
        if wanted and scheme.lower() == "bearer" and constant_time_compare(token.strip(), wanted):
            return Scraper(), SCRAPER
        return super().authenticate(request)


class MayMeasure(BasePermission):
    """Scrapers and staff; nobody else may know how the installation is doing."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether it is one of them."""
        return request.auth == SCRAPER or may_see_figures(request.user)


class MetricsView(TransportView):
    """``GET /metrics``"""

    authentication_classes = [MetricsAuthentication]
    permission_classes = [MayMeasure]
    throttle_classes = []

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Leave it to what encodes: it knows forms that REST framework does not."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Everything that is measured, in Prometheus' form."""
        body, content_type = exposition(request.headers.get("Accept", ""))
        return HttpResponse(body, content_type=content_type, headers={"Cache-Control": "no-store"})
