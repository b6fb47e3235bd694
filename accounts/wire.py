"""The form of what this app's events carry, for the published AsyncAPI document.

Separate from ``events``, which makes the data: tests hold the one against the other.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Struct

from accounts.models import Role
from realtime.asyncapi import one_of, register_event


class FamilyState(Struct):
    """A family as its members see it."""

    id: UUID
    name: str
    created_at: str


class FamilyUpdate(Struct):
    """A family was made, renamed or deleted."""

    family_id: UUID
    action: Literal["created", "updated", "deleted"]
    data: FamilyState
    version: int


class MembershipUpdate(Struct):
    """Somebody joined a family, left it, or has another role in it or another name: to be read again."""

    family_id: UUID
    user_id: UUID
    action: Literal["joined", "changed", "left"]
    role: Annotated[str, one_of(Role.values)]


class PresenceUpdate(Struct):
    """Somebody of the family came online, or left. Ephemeral: without seq and cursor."""

    family_id: UUID
    user_id: UUID
    online: bool


register_event("FamilyUpdate", FamilyUpdate, ["family"])
register_event("MembershipUpdate", MembershipUpdate, ["family", "user"])
register_event("PresenceUpdate", PresenceUpdate, ["family"])
