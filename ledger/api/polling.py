"""``GET /api/credits/balance/poll``: the credit balance for clients that can hold no connection open.

Separate from ``/credits`` because it speaks as the transports do: their credentials, their refusals, their pace.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.views import signed_in
from ledger.models import CreditBalance
from ledger.payloads import credit_data
from ledger.services.credits import balance_of
from realtime import log
from realtime.snapshots import HEADER
from realtime.transports.openapi import refusals
from realtime.transports.pacing import poll_interval, polls
from realtime.transports.polling import TransportView

INTERVAL_HEADER = "X-Poll-Interval-Ms"
MOVING = timedelta(minutes=1)
"""How long after a change the balance counts as moving."""


class BalancePollSerializer(serializers.Serializer[Any]):
    """The credit balance, the place in the log from which to go on, and when to come back."""

    balance = serializers.CharField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    cursor = serializers.CharField()
    poll_interval_ms = serializers.IntegerField()


class BalancePollView(TransportView):
    """The credit balance of the user, for clients that poll."""

    @extend_schema(
        operation_id="credits_balance_poll",
        tags=["credits"],
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="The last `ETag`.")],
        responses={
            200: BalancePollSerializer,
            304: OpenApiResponse(description=f"Unchanged. `{HEADER}` and `{INTERVAL_HEADER}` are as new as ever."),
            **refusals(503),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        """Tell the balance, or that it is unchanged; the cursor was read before it."""
        polls.take(request.user.pk)
        cursor = log.present_cursor()
        credit = balance_of(signed_in(request))
        interval = poll_interval(moving=timezone.now() - credit.updated_at < MOVING)
        data = {name: value for name, value in credit_data(credit).items() if name != "user_id"}
        etag = _etag(credit)
        answer = Response({**data, "cursor": cursor, "poll_interval_ms": interval}, headers={"ETag": etag})
        response = get_conditional_response(request._request, etag=etag, response=answer)
        assert response is not None  # it is ``answer``, or says that nothing is new
        response["Cache-Control"] = "private, no-cache"
        response[HEADER] = cursor
        response[INTERVAL_HEADER] = str(interval)
        return response


def _etag(credit: CreditBalance) -> str:
    """Name this state of this user's balance. Weak: the cursor beside it moves on with everybody's events."""
    state = f"{credit.user_id} {credit.version} {credit.balance} {credit.updated_at.isoformat()}"
    return f'W/"{hashlib.sha256(state.encode()).hexdigest()[:32]}"'
