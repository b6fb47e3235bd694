"""Figures of this process and, as far as it has heard, of all: the resource ``stats``, for staff that cannot listen."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from realtime import hubs, log
from realtime.access import may_see_figures
from realtime.resources import NotFound, resource


class NoParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to choose."""


@resource("stats", NoParams)
def stats(user: Any, params: NoParams) -> dict[str, Any]:
    """Clients by transport, topics and place in the log of the process that answers, and where the log ends.

    ``operations`` is what ``OperationsFigures`` says on the topic ``staff``; null at first, as asking begins it.
    """
    if not may_see_figures(user):
        raise NotFound
    return {**hubs.figures(), "log_position": log.head().position, "operations": hubs.operations()}
