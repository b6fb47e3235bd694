"""What clients may request of this app."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from accounts.access import role_in
from accounts.topics import family_topic
from realtime import hubs
from realtime.resources import NotFound, resource


class FamilyParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Which family."""

    family_id: UUID


@resource("presence", FamilyParams)
def presence(user: Any, params: FamilyParams) -> dict[str, Any]:
    """Who of the family is online now."""
    if role_in(user, params.family_id) is None:
        raise NotFound
    return {"family_id": params.family_id, "online": sorted(hubs.online(family_topic(params.family_id)))}
