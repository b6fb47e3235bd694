"""The messages of the wire, as far as the client looks at them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]

REPLIES = frozenset({"Response", "Error", "Authenticated", "Pong"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, as the server told it.

    ``seq`` and ``cursor`` are None for what is not kept, as presence; ``wants_ack`` asks for ``client.ack(event.id)``.
    """

    type: str
    data: Mapping[str, Any]
    topic: str | None = None
    seq: int | None = None
    cursor: str | None = None
    id: str | None = None
    timestamp: str | None = None
    wants_ack: bool = False
    replayed: bool = False

    @classmethod
    def of(cls, message: Message) -> Event:
        """Read a message; keys that are not known are left out."""
        return cls(
            type=message["type"],
            data=message.get("data") or {},
            topic=message.get("topic"),
            seq=message.get("seq"),
            cursor=message.get("cursor"),
            id=message.get("id"),
            timestamp=message.get("timestamp"),
            wants_ack=bool(message.get("ack")),
            replayed=bool(message.get("replayed")),
        )


def parse(text: str | bytes) -> Message | None:
    """Read a frame; None for what is no message at all."""
    try:
        message = json.loads(text)
    except ValueError:
        return None
    return message if isinstance(message, dict) and isinstance(message.get("type"), str) else None
