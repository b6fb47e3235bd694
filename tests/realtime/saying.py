"""What a test publishes and takes back, and what of it waits in the outbox."""

from __future__ import annotations

import json
from typing import Any

from realtime.models import Outgoing
from realtime.topics import Topic
from tests.realtime.growing import A, B, C

NAMES = {A: "A", B: "B", C: "C"}


class RollBack(Exception):
    """Ends a block of a test that shall leave nothing."""


def waiting() -> list[tuple[str, dict[str, Any]]]:
    """What waits in the outbox, in order: topics by their short names, and the data."""
    return [
        ("".join(sorted(NAMES[Topic(name)] for name in row.topics.split(" "))), json.loads(row.data))
        for row in Outgoing.objects.order_by("pk")
    ]
