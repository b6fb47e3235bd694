"""What a client says of its line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a client is between ``stopped`` and ``live``."""

    CONNECTING = "connecting"
    LIVE = "live"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state, over which transport, why (a close code, 0 for none), and for how many seconds a wait lasts."""

    state: State
    transport: str = ""
    code: int = 0
    retry_in: float = 0
