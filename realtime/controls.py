"""What the log says of users: how their rights changed, and that sessions of theirs ended.

Apart from the log, to which control entries are entries like any other.
"""

from __future__ import annotations

from collections.abc import Iterable

from realtime.log import database, entries_of
from realtime.models import Event, Outgoing
from realtime.protocol.entry import CONTROL_PREFIX, RIGHTS_CHANGED, SESSIONS_ENDED, Entry
from realtime.protocol.subscriber import joinings


def control_entries(user_id: object, after: int) -> list[Entry]:
    """The control entries about one user behind a position, in order."""
    rows = Event.objects.using(database()).filter(topic=f"{CONTROL_PREFIX}{user_id}", position__gt=after)
    return entries_of(rows)


def joinings_of(user_ids: Iterable[str], after: int) -> dict[str, dict[str, int]]:
    """For each user, the latest joining behind a position of each topic that they joined there. One query."""
    rows = Event.objects.using(database()).filter(type=RIGHTS_CHANGED, position__gt=after)
    found: dict[str, list[Entry]] = {}
    for change in entries_of(rows.filter(topic__in=[f"{CONTROL_PREFIX}{user_id}" for user_id in user_ids])):
        found.setdefault(change.topic.removeprefix(CONTROL_PREFIX), []).append(change)
    return {user_id: joinings(changes) for user_id, changes in found.items()}


def sessions_ended(after: int) -> set[str]:
    """The users some of whose sessions ended behind a position."""
    rows = Event.objects.using(database()).filter(type=SESSIONS_ENDED, topic__startswith=CONTROL_PREFIX)
    topics = rows.filter(position__gt=after).order_by().values_list("topic", flat=True).distinct()
    return {topic.removeprefix(CONTROL_PREFIX) for topic in topics}


def control_waits(user_id: object) -> bool:
    """Whether a control entry about the user is committed and has no place yet."""
    rows = Outgoing.objects.using(database()).filter(
        topics=f"{CONTROL_PREFIX}{user_id}",
        topics__startswith=CONTROL_PREFIX,  # names the index, which does not grow under a dump as the table does
    )
    return rows.exists()
