"""How the transports' HTTP half stands in the OpenAPI document. Forms for readers; nothing here runs on a request."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers


class RefusalSerializer(serializers.Serializer[Any]):
    """What was refused, and what to do about it."""

    code = serializers.CharField()
    message = serializers.CharField()


class EventSerializer(serializers.Serializer[Any]):
    """One thing that happened on one topic."""

    type = serializers.CharField()
    topic = serializers.CharField()
    seq = serializers.IntegerField(min_value=1, help_text="Place in the topic: 1, 2, 3 without a hole.")
    cursor = serializers.CharField(
        required=False, help_text="Place in the log, just after this event; absent on what is given again."
    )
    id = serializers.UUIDField()
    timestamp = serializers.DateTimeField()
    ack = serializers.BooleanField(required=False, help_text="Whether an acknowledgement is wanted.")
    replayed = serializers.BooleanField(required=False)
    data = serializers.DictField()  # type: ignore[assignment]


class ResetSerializer(serializers.Serializer[Any]):
    """The cursor is worth nothing: fetch a snapshot and go on from the one in ``data``."""

    type = serializers.CharField(help_text="`Reset`")
    data = serializers.DictField(  # type: ignore[assignment]
        help_text="`reason`, `cursor` and `topics` with their newest seq."
    )


class UnsubscribedSerializer(serializers.Serializer[Any]):
    """A topic was taken away."""

    type = serializers.CharField(help_text="`Unsubscribed`")
    data = serializers.DictField(help_text="`topic` and `reason`, which is `revoked`.")  # type: ignore[assignment]


class SubscribedSerializer(serializers.Serializer[Any]):
    """A topic was given: what was said on it before is not replayed, so fetch the present state."""

    type = serializers.CharField(help_text="`Subscribed`")
    data = serializers.DictField(help_text="`topic`, `seq`, `replayed` and `cursor`.")  # type: ignore[assignment]


class PollSerializer(serializers.Serializer[Any]):
    """What one poll brings."""

    events = EventSerializer(many=True)
    cursor = serializers.CharField(help_text="To be handed over with the next poll, on any transport.")
    has_more = serializers.BooleanField()
    reset = ResetSerializer(many=True)
    revoked = UnsubscribedSerializer(many=True, required=False, help_text="Topics taken away since the cursor.")
    gained = SubscribedSerializer(many=True, required=False, help_text="Topics given since the cursor.")
    poll_interval_ms = serializers.IntegerField(help_text="Advice: when to come back.")


class AcksSerializer(serializers.Serializer[Any]):
    """The ids of events that were handled."""

    message_ids = serializers.ListField(child=serializers.UUIDField(), max_length=1000)


class TicketSerializer(serializers.Serializer[Any]):
    """A credential for one connection, as ``?ticket=``."""

    ticket = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")


class SnapshotSerializer(serializers.Serializer[Any]):
    """A resource as it is now, and a cursor from before it was read."""

    resource = serializers.CharField()
    params = serializers.DictField()
    result = serializers.JSONField()
    cursor = serializers.CharField()


POLL_PARAMETERS = [
    OpenApiParameter(
        "cursor",
        str,
        description="Where to go on from; without it, the present place is told, and what is not acknowledged.",
    ),
    OpenApiParameter("topics", str, description="Topics beside the automatic ones, separated by commas."),
    OpenApiParameter("auto", str, enum=["0"], description="`0`: no automatic topics."),
    OpenApiParameter("limit", int, description="The most events of the answer."),
]
SNAPSHOT_PARAMETERS = [
    OpenApiParameter("resource", str, required=True, description="Its own parameters stand beside it."),
]


def refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    """The answers, beside the good one, of a view with these ways to refuse."""
    return {status: OpenApiResponse(RefusalSerializer) for status in sorted({401, 403, 429, *statuses})}


class TransportScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The credentials of the transports."""

    target_class = "realtime.transports.polling.TransportAuthentication"
    name = ["realtimeBearer", "realtimeSession", "realtimeTicket"]  # one class, several credentials

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        """A token in the header, the session, or a ticket in the query."""
        return [
            {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME},
            {"type": "apiKey", "in": "query", "name": "ticket"},
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Any one of them is enough."""
        return [{name: []} for name in self.name]
