"""Entries of a log, made by hand: an event, a change of rights, an end of sessions."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import msgspec

from realtime.protocol.entry import CONTROL_PREFIX, RIGHTS_CHANGED, SESSIONS_ENDED, Entry, RightsChange


def event(position: int, topic: str = "family:a") -> Entry:
    return Entry(position, topic, position, str(UUID(int=position * 7919)), "Note", "{}", "2026-01-02T03:04:05.678Z")


def control(position: int, user: str, gained: Iterable[str] = (), lost: Iterable[str] = ()) -> Entry:
    data = msgspec.json.encode(RightsChange(user, list(gained), list(lost))).decode()
    return msgspec.structs.replace(event(position, f"{CONTROL_PREFIX}{user}"), type=RIGHTS_CHANGED, data=data)


def ending(position: int, user: str) -> Entry:
    return msgspec.structs.replace(event(position, f"{CONTROL_PREFIX}{user}"), type=SESSIONS_ENDED)
