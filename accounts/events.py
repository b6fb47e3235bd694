"""What this app tells: one function per event, payload and audience together.

Control entries are written here as well: they belong to the same changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal
from uuid import UUID

from accounts.models import Family, Membership
from accounts.topics import family_topic, user_topic
from realtime import outbox
from realtime.outbox import publish
from realtime.topics import Topic

FamilyAction = Literal["created", "updated", "deleted"]
MembershipAction = Literal["joined", "changed", "left"]


def family_update(family: Family, action: FamilyAction) -> None:
    """Tell the members what the family is now, or last was."""
    data = {
        "family_id": family.pk,
        "action": action,
        "data": {"id": family.pk, "name": family.name, "created_at": family.created_at},
        "version": family.version,
    }
    key = f"FamilyUpdate:{family.pk}"
    publish("FamilyUpdate", data, to=[family_topic(family.pk)], key=key, merge=_still_new)


def membership_update(membership: Membership, action: MembershipAction) -> None:
    """Tell the family, and the one it is about, who they now are in it."""
    data = {
        "family_id": membership.family_id,
        "user_id": membership.user_id,
        "action": action,
        "role": membership.role,
    }
    key = f"MembershipUpdate:{membership.family_id}:{membership.user_id}"
    topics = [family_topic(membership.family_id), user_topic(membership.user_id)]
    publish("MembershipUpdate", data, to=topics, key=key, merge=_still_new)


def presence_update(family_id: str, user_id: str, online: bool) -> tuple[str, Mapping[str, Any]]:
    """What the family is told when one of its members comes or goes. Not kept, so it is no business of publish()."""
    return "PresenceUpdate", {"family_id": family_id, "user_id": user_id, "online": online}


def rights_changed(user_id: UUID, *, gained: Iterable[Topic] = (), lost: Iterable[Topic] = ()) -> None:
    """Open or close topics for the user, on every connection they have."""
    outbox.rights_changed(user_id, gained=gained, lost=lost)


def sessions_ended(user_id: UUID) -> None:
    """Close every connection and stream the user has."""
    outbox.end_sessions(user_id)


def _still_new(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> Mapping[str, Any]:
    """Made and changed in one transaction: to everyone else it was only made."""
    made, then = earlier["action"], later["action"]
    if (made, then) in {("created", "updated"), ("joined", "changed")}:
        return {**later, "action": made}
    return later
