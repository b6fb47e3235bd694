"""Figures of this process, for staff: the resource ``stats``."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from realtime import hub, log
from realtime.access import may_see_figures
from realtime.resources import NotFound, resource


class NoParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to choose."""


@resource("stats", NoParams)
def stats(user: Any, params: NoParams) -> dict[str, Any]:
    """Clients by transport, topics and place in the log of the process that answers, and where the log ends."""
    if not may_see_figures(user):
        raise NotFound
    return {**hub.figures(), "log_position": log.head().position}
