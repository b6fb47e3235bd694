"""The HTTP addresses of the transports, to be included where the API is. The stream is an ASGI app: routing has it."""

from __future__ import annotations

from django.urls import path

from realtime.transports.polling import AckView, EventsView, SnapshotView, TicketsView

urlpatterns = [
    path("events", EventsView.as_view(), name="events"),
    path("events/ack", AckView.as_view(), name="events-ack"),
    path("realtime/tickets", TicketsView.as_view(), name="tickets"),
    path("snapshot", SnapshotView.as_view(), name="snapshot"),
]
