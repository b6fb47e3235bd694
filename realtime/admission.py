"""The way in for a client that stays: who it is, what it may read, and where it begins, from memory where possible.

What memory cannot answer (a cursor older than the tail, another history, rights that are being changed) is asked of
the log by ``resume``, which needs no more than the credential.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

from realtime import log
from realtime.conf import conf
from realtime.follower import Follower
from realtime.handshake import request_of
from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import CONTROL_PREFIX
from realtime.protocol.errors import ProtocolError
from realtime.protocol.subscriber import Subscriber, joinings, losses
from realtime.resume import Opening, Wanted, open_subscriber
from realtime.rights import ATTEMPTS, Rights
from realtime.threads import run_db
from realtime.tokens import Claim, Credentials, Presented, claim_of, presented_in, recheck

SHARED_TOPICS = 1000  # sets of topics that are kept for others to share


class Admitted(NamedTuple):
    """A client that is let in: by what, to which topics, and where it begins."""

    credentials: Credentials
    asked: Wanted
    opening: Opening


async def admit(
    follower: Follower, scope: Mapping[str, Any], wanted: Callable[[Any], Wanted], cursor: Cursor | None
) -> Admitted:
    """Let a client in, or raise ProtocolError. ``wanted`` is asked with whom it is for, of whom ``pk`` is known."""
    # From before the credential is looked at: whatever ends it later stands behind this position.
    since = follower.position
    presented = presented_in(request_of(scope), scope.get("subprotocols", ()))
    admitted = _again(follower, presented, wanted, cursor)
    if admitted is not None:
        return admitted
    claim = await claim_of(presented)
    if claim.pk is not None:
        admitted = await _from_memory(follower, claim, wanted, cursor)
        if admitted is not None:
            return admitted
    credentials = await run_db(claim.settle)
    asked = wanted(credentials.user)
    opening = await run_db(open_subscriber, partial(recheck, credentials), asked, cursor, since)
    return Admitted(credentials, asked, opening)


def _again(
    follower: Follower, presented: Presented, wanted: Callable[[Any], Wanted], cursor: Cursor | None
) -> Admitted | None:
    """Let in whoever came a moment ago with the same token."""
    found = follower.rights.recall(presented.mark)
    if found is None:
        return None
    rights, credentials = found
    asked = wanted(rights.user)
    opening = open_in_memory(follower, rights, asked, cursor) if asked.named <= rights.granted else None
    return None if opening is None else Admitted(credentials, asked, opening)


async def _from_memory(
    follower: Follower, claim: Claim, wanted: Callable[[Any], Wanted], cursor: Cursor | None
) -> Admitted | None:
    asked, refusal = _asked(wanted, claim)
    for _ in range(ATTEMPTS):
        found = await follower.rights.admit(claim, asked.named)
        if found is None:
            return None
        rights, credentials = found
        if refusal is not None:  # said only to whom the credential is good for
            raise refusal
        # Without an await from here: what is current now still is where the client begins.
        if rights.is_current:
            if not asked.named <= rights.granted:
                raise ProtocolError("forbidden")
            opening = open_in_memory(follower, rights, asked, cursor)
            return None if opening is None else Admitted(credentials, asked, opening)
    raise ProtocolError("unavailable")


def _asked(wanted: Callable[[Any], Wanted], claim: Claim) -> tuple[Wanted, ProtocolError | None]:
    try:
        return wanted(claim), None
    except ProtocolError as refusal:
        return Wanted(automatic=False), refusal


def open_in_memory(follower: Follower, rights: Rights, asked: Wanted, cursor: Cursor | None) -> Opening | None:
    """Where a client with these rights begins, if memory reaches back to its cursor; None: ask the log.

    The rights must be current. They are then as of where the follower stands, as the client's state is.
    """
    if not follower.started:
        return None
    here = follower.place
    topics = asked.named | (rights.automatic if asked.automatic else frozenset())
    state = Subscriber(
        rights.user_id,
        epoch=here.epoch,
        position=here.position,
        check=here.check,
        rights_position=here.position,
        topics=_from_the_start(topics),
    )
    gained: frozenset[str] = frozenset()
    if cursor is not None:
        controls = controls_behind(follower, rights.user_id, cursor)
        if controls is None:
            return None
        if asked.automatic and not rights.granted.issuperset(losses(controls)):
            return None  # whether what was lost may be read again, though it comes not by itself, is not known
        joined = joinings(controls)
        state.position, state.check = cursor.position, cursor.check
        state.topics = {topic: joined.get(topic, 0) for topic in topics}
        gained = topics & joined.keys()
    if state.position == here.position:
        seqs = {topic: follower.rights.seq(topic) for topic in topics}
    else:
        seqs = {
            topic: _seq_behind(follower, topic, max(state.position, start)) for topic, start in state.topics.items()
        }
    return Opening(state, seqs, log.Head(here.epoch, here.position, here.check, 0), None, gained=gained)


@lru_cache(maxsize=SHARED_TOPICS)
def _from_the_start(topics: frozenset[str]) -> Mapping[str, int]:
    """These topics, all they say; one mapping for all who have the same."""
    return dict.fromkeys(topics, 0)


def controls_behind(follower: Follower, user_id: str, cursor: Cursor) -> list[Any] | None:
    """The control entries about a user behind a cursor; None where memory cannot tell that it is whole from there."""
    here, tail = follower.place, follower.tail
    if cursor.epoch != here.epoch or not 0 <= here.position - cursor.position <= conf.MAX_REPLAY:
        return None
    if cursor.position < follower.floor or tail.check_at(cursor.position) != cursor.check:
        return None
    return tail.since(cursor.position, [f"{CONTROL_PREFIX}{user_id}"])


def _seq_behind(follower: Follower, topic: str, position: int) -> int:
    """The newest seq of a topic at a place within the tail."""
    first = follower.tail.first(topic, position)
    return follower.rights.seq(topic) if first is None else first.seq - 1
