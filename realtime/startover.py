"""Another history begins: a restored or failed-over database, or a log whose epoch was renewed.

Apart from the hub because it is the one time that rights and places of everybody are read anew together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

from django.contrib.auth import get_user_model

from realtime import log, receipts, topics
from realtime.controls import sessions_ended
from realtime.protocol.subscriber import Reason
from realtime.threads import run_db

if TYPE_CHECKING:
    from realtime.hub import Hub
    from realtime.members import Member


async def start_over(hub: Hub, reason: Reason) -> None:
    """Read rights again, tell everyone where it stands, then follow the new log."""
    wanted: dict[str, set[str]] = {}
    for member in hub.members.everybody():
        wanted.setdefault(member.state.user_id, set()).update(member.state.topics)
    # In this order: what changes rights after they were read stands behind the head, and is obeyed from there.
    head, seqs = await run_db(log.heads, set().union(*wanted.values()))
    rights = await run_db(_rights_of, wanted)
    # What ended sessions between here and the head is skipped. In a log that went back, "here" means nothing.
    here = hub.follower.position
    ended = await run_db(sessions_ended, here if here <= head.position else 0)
    wanting = await run_db(receipts.load, head)
    for member in hub.members.everybody():
        if member.state.user_id not in rights or member.state.user_id in ended:
            # Ahead of the restart: one that may stay comes back from the history that it was in, and is reset.
            member.ended()
    hub.follower.restart(head, wanting=wanting)
    restarted = []
    for member in hub.members.everybody():
        state, allowed = member.state, rights[member.state.user_id]
        _take_away(hub, member, allowed.readable)
        if state.live:
            state.restart(epoch=head.epoch, position=head.position, check=head.check)
            member.reset(reason, {topic: seqs.get(topic, 0) for topic in state.topics})
            restarted.append(member)
            _give(member, allowed.automatic, head.position)
    hub.give_again(restarted, head.position)


def _take_away(hub: Hub, member: Member, readable: Collection[str]) -> None:
    lost = [topic for topic in member.state.topics if topic not in readable]
    for topic in lost:
        hub.unsubscribe(member, topic)
    if lost:
        member.revoked(lost)


def _give(member: Member, automatic: Collection[str], position: int) -> None:
    given = [topic for topic in automatic if topic not in member.state.topics]
    if given and member.is_given_topics:
        member.gained(given, position)


class _Allowed(NamedTuple):
    """What a user may read now: of what they are on, and of what comes without asking."""

    readable: frozenset[topics.Topic]
    automatic: frozenset[topics.Topic]


def _rights_of(wanted: Mapping[str, set[str]]) -> dict[str, _Allowed]:
    """The rights of each user, by their key; users who are gone or deactivated are missing."""
    users = get_user_model()._default_manager.filter(pk__in=wanted, is_active=True)
    return {
        str(user.pk): _Allowed(topics.readable(user, wanted[str(user.pk)]), topics.automatic(user)) for user in users
    }
