"""A log of Notes on three topics that grows and grows old as the test says."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from realtime import log, pruning
from realtime.models import Event
from realtime.outbox import publish
from realtime.protocol.entry import Entry
from realtime.topics import Topic, topic

TOPICS = [topic("family", UUID(int=number)) for number in (10, 11, 12)]
A, B, C = TOPICS


def tell(number: int = 0, *, to: list[Topic] | None = None, **options: Any) -> None:
    with transaction.atomic():
        publish("Note", {"n": number}, to=to or [A], **options)


def fill(count: int, *, to: list[Topic] | None = None) -> None:
    """Give the log ``count`` more events, numbered by their positions."""
    start = log.head().position
    with transaction.atomic():
        for number in range(start + 1, start + count + 1):
            publish("Note", {"n": number}, to=to or [A])
    drain()


def drain() -> None:
    while log.sequence():
        pass


def numbers(entries: list[Entry]) -> list[int]:
    return [json.loads(entry.data)["n"] for entry in entries]


def backdate(upto: int, age: timedelta = timedelta(days=30)) -> None:
    Event.objects.filter(position__lte=upto).update(timestamp=timezone.now() - age)


def prune(before: datetime | None = None) -> int:
    return pruning.prune(before or timezone.now() - timedelta(days=1))


def all_numbers() -> list[Any]:
    """Those of all that the log keeps, in its order."""
    return [json.loads(data)["n"] for data in Event.objects.order_by("position").values_list("data", flat=True)]
