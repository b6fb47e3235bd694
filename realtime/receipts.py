"""Acknowledged delivery: who has confirmed which event.

Apart from the log, which knows no users. A row comes into being with the confirmation, never before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from realtime import log
from realtime.models import Event, Receipt


def confirm(user: Any, event_ids: Iterable[UUID], transport: str) -> None:
    """Record that ``user`` has handled these events. Confirming twice, or something unknown, is harmless."""
    wanting = Event.objects.using(log.database()).filter(event_id__in=list(event_ids), ack=True)
    known = set(wanting.values_list("event_id", flat=True))
    Receipt.objects.bulk_create(
        [Receipt(event_id=event_id, user_id=user.pk, transport=transport) for event_id in known],
        ignore_conflicts=True,
    )
