"""How a client begins: rights, topics and place are read together, what it lacks is replayed, then it joins.

The only replay there is: WebSocket and SSE go through ``open`` and ``replay``, polling through ``open_subscriber`` and
``pages``. Nothing here knows a transport.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from realtime import limits, log, topics
from realtime.again import give_again
from realtime.conf import conf
from realtime.controls import control_entries
from realtime.follower import History
from realtime.hub import Hub, Member, obey
from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Entry
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Frame
from realtime.protocol.subscriber import (
    Order,
    Reason,
    Subscriber,
    joinings,
    losses,
    page_problem,
    resume_problem,
)
from realtime.settling import settle
from realtime.threads import run_db

Who = Callable[[], Any]
"""Returns the user as they are now, or raises ProtocolError. Asked in a thread, before their rights are."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks for: named topics, each of which must be granted, and those it gets without asking.

    It keeps those of ``kept`` that it still may read.
    """

    named: frozenset[str] = frozenset()
    automatic: bool = True
    kept: frozenset[str] = frozenset()


class Opening(NamedTuple):
    """Where a client begins. ``seqs`` are each topic's newest seq at its cursor; ``reset`` why that is not its own.

    ``lost`` are topics that it may have been on at its cursor, and that were taken away since; ``gained`` those that it
    was given since, perhaps again: what was said on them before is not replayed, so it fetches the present state.
    """

    state: Subscriber
    seqs: dict[str, int]
    head: log.Head
    reset: Reason | None
    lost: frozenset[str] = frozenset()
    gained: frozenset[str] = frozenset()


def open_subscriber(who: Who, wanted: Wanted, cursor: Cursor | None, since: int | None = None) -> Opening:
    """Read rights, topic heads and place together. ``since`` is a position from before the user was authenticated.

    Raises ProtocolError: what ``who`` raises for a user who may not be here any more, ``forbidden`` for a named topic
    that is not granted, ``unavailable`` when rights never rest.
    """
    start = log.head().position if since is None else since
    for _ in range(5):
        user = who()
        granted = _granted(user, wanted)
        settle(user.pk)
        head, seqs = log.heads(granted)
        behind = control_entries(user.pk, start)
        if not behind:
            return _opening(user, wanted, granted, seqs, head, cursor)
        start = behind[-1].position  # user and rights may have been read before that change: read them again
    raise ProtocolError("unavailable")


async def replay(hub: Hub, member: Member, who: Who, wanted: Wanted, history: History | None = None) -> None:
    """Send ``member`` what it lacks, page by page, and join it to the hub; stop where its sessions ended.

    Also where it is closed or given up, or its client has left: what it did not take it comes back for. What it gains
    on the way it takes up there, before it is sent what comes later.

    ``history`` is the one that the follower stood in before the member's place was read: by default, the present one.
    Raises ProtocolError ``unavailable`` when this process cannot come as far as the client in time.
    """
    before, placed = history or hub.follower.history, member.state
    while True:
        await member.take_up()
        now = hub.follower.history
        if now != before:
            # A restored log bears the name it had before, and the client's place may be one of that time.
            if before[0] == now[0] == member.state.epoch and (
                member.state is placed or not await run_db(_is_kept, member.state)
            ):
                await restart(hub, member, who, wanted, "epoch")
            before, placed = now, member.state
        elif hub.join(member) or member.state.ended or not member.is_open:
            return
        else:
            await _replay_page(hub, member, who, wanted)


def _is_kept(state: Subscriber) -> bool:
    """Whether a place that was read anew meanwhile, from a log that was restored unnoticed, is one of the log."""
    return log.check_at(state.position) == state.check


async def _replay_page(hub: Hub, member: Member, who: Who, wanted: Wanted) -> None:
    state, follower = member.state, hub.follower
    if not await follower.reach(state.position):
        raise ProtocolError("unavailable")
    here, history = follower.place, follower.history  # before anything is awaited: history may change meanwhile
    if here.epoch == state.epoch and state.position < here.position:
        rest = follower.since(state.position)
        if rest is not None:
            await _send(hub, member, rest[: conf.PAGE])
            return
    page = await run_db(_page, state, here.position)
    problem = _problem(state, page)
    if problem is not None:
        await restart(hub, member, who, wanted, problem)
        return
    await _send(hub, member, page.entries)
    # The client is newer than this process, which has yet to notice another history or, by its end, a restored log.
    if here.epoch != state.epoch or page.head.position < here.position:
        if not await follower.outlive(history):
            raise ProtocolError("unavailable")
    elif len(page.entries) < conf.PAGE and not (state.ended or member.waits):
        state.advance(here.position, here.check)


async def _send(hub: Hub, member: Member, entries: list[Entry]) -> None:
    """Offer a page to a member that has not joined, no faster than it takes what it is sent."""
    state = member.state
    for entry in entries:
        if member.waits or not member.is_open:
            return  # what it gained is to be read along from here
        for order in state.offer(entry):
            obey(hub, member, order, Frame(entry, state.epoch, replayed=True))
        await member.flushed()


async def restart(hub: Hub, member: Member, who: Who, wanted: Wanted, reason: Reason) -> None:
    """Start a member that has not joined anew from the head, tell it so, and give it again what it may not miss."""
    before = member.state
    # As a live one does: what it has taken up since it came it keeps, and what it has left it does not get again.
    on = Wanted(wanted.named.intersection(before.topics), wanted.automatic, frozenset(before.topics))
    opening = await run_db(open_subscriber, who, on, None, None)
    member.state = opening.state
    member.reset(reason, opening.seqs)
    # Of this history it was given, or sent, what stands before its place; of another, which may bear the name, nothing.
    behind = before.position if reason == "trimmed" else 0
    await give_again(hub.follower, member, behind=behind)


def pages(state: Subscriber, head: log.Head) -> Iterator[tuple[list[tuple[Entry, Order]], Reason | None]]:
    """The same replay for a transport without a connection: page by page up to ``head``, with what to do.

    A reason ends it: the client must start over.
    """
    while state.position < head.position:
        page = _page(state, head.position)
        problem = _problem(state, page)
        if problem is not None:
            yield [], problem
            return
        yield [(entry, order) for entry in page.entries for order in state.offer(entry)], None
        if len(page.entries) < conf.PAGE:
            state.advance(head.position, head.check)


def history_problem(head: log.Head) -> Reason | None:
    """Why what was read up to ``head`` may be of two histories; None if the log still holds that place.

    To be asked last, of what was read page by page: a restored log may bear the name it had before.
    """
    if log.check_at(head.position) == head.check:
        return None
    now = log.head()
    return "trimmed" if now.epoch == head.epoch and now.floor > head.position else "epoch"


def _granted(user: Any, wanted: Wanted) -> frozenset[topics.Topic]:
    named = topics.readable(user, wanted.named | wanted.kept)
    if not wanted.named <= named:
        raise ProtocolError("forbidden")
    return named | (topics.automatic(user) if wanted.automatic else frozenset())


def _opening(
    user: Any,
    wanted: Wanted,
    granted: frozenset[topics.Topic],
    seqs: dict[str, int],
    head: log.Head,
    cursor: Cursor | None,
) -> Opening:
    if cursor is None:
        return Opening(_state(user, dict.fromkeys(granted, 0), head), seqs, head, None)
    reason = resume_problem(
        cursor,
        epoch=head.epoch,
        position=head.position,
        floor=head.floor,
        check=log.check_at(cursor.position),
        longest=conf.MAX_REPLAY,
    )
    if reason is not None:
        if reason == "trimmed" and cursor.position >= head.floor:
            limits.reached("MAX_REPLAY")
        return Opening(_state(user, dict.fromkeys(granted, 0), head), seqs, head, reason)
    controls = control_entries(user.pk, cursor.position)
    joined = joinings(controls)
    # Who named their topics had each of them granted again.
    lost = _still_lost(user, losses(controls)) if wanted.automatic else frozenset()
    state = _state(user, {topic: joined.get(topic, 0) for topic in granted}, head)
    state.position, state.check = cursor.position, cursor.check
    # The client's own count goes on from its cursor, or from its latest joining.
    seqs = seqs | log.seqs_before({topic: max(cursor.position, state.topics[topic]) for topic in granted})
    return Opening(state, seqs, head, None, lost, gained=frozenset(joined.keys() & state.topics.keys()))


def _still_lost(user: Any, lost: Collection[str]) -> frozenset[str]:
    return frozenset(lost) - topics.readable(user, lost) if lost else frozenset()


def _state(user: Any, granted: dict[topics.Topic, int], head: log.Head) -> Subscriber:
    return Subscriber(
        str(user.pk),
        epoch=head.epoch,
        position=head.position,
        check=head.check,
        rights_position=head.position,
        topics={str(topic): position for topic, position in granted.items()},
    )


def _page(state: Subscriber, upto: int) -> log.Page:
    return log.read(state.position, upto=upto, topics=[*state.topics, state.control])


def _problem(state: Subscriber, page: log.Page) -> Reason | None:
    return page_problem(
        started=state.position,
        epoch=state.epoch,
        head_epoch=page.head.epoch,
        head_position=page.head.position,
        floor=page.head.floor,
    )
