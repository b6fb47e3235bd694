"""Who is connected to a process, page by page, and sending some of them away.

Pure but for the members it looks at: each process answers the same question, and the answers are put together.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Literal
from uuid import UUID

from msgspec import Struct

from realtime.members import Member
from realtime.protocol.errors import ProtocolError

PAGE = 50
MOST_TOPICS = 20  # of one connection that are named; the rest is counted

SENT_AWAY = "Staff has closed this connection: it may come back shortly."

Place = tuple[int, str]

_LARGEST = 2**128 - 1


class Question(Struct, frozen=True, tag=True, kw_only=True):
    """Which connections: of a user, of a transport, on a topic; newest or furthest behind first, from a place on."""

    user: str = ""
    transport: str = ""
    topic: str = ""
    order: Literal["newest", "behind"] = "newest"
    after: Place | None = None


class Close(Struct, frozen=True, tag=True, kw_only=True):
    """Send away one connection, or all of a user's. They may come back."""

    connection: str = ""
    user: str = ""


class Seen(Struct, frozen=True, kw_only=True):
    """One connection, as a process sees it."""

    id: str
    process: str
    user: str
    address: str
    transport: str
    topics: list[str]
    more_topics: int
    since: float
    """Seconds since the epoch."""
    behind: int
    """Bytes that were sent and that the client has not taken."""
    place: Place
    """In the order that was asked for."""


class Answer(Struct, frozen=True, kw_only=True):
    """The first of the connections asked for, and how many there are; or how many were sent away."""

    total: int
    seen: list[Seen] = []


def answer(members: Iterable[Member], question: Question, process: str) -> Answer:
    """What one process answers. May run in another thread than the event loop's."""
    meant = [member for member in members if _is_meant(member, question)]
    behind = question.order == "behind"
    placed = ((_place(member, behind), member) for member in meant)
    later = ((place, member) for place, member in placed if question.after is None or place > question.after)
    first = heapq.nsmallest(PAGE + 1, later, key=lambda pair: pair[0])
    return Answer(total=len(meant), seen=[_seen(member, place, process) for place, member in first])


def together(answers: Sequence[Answer]) -> tuple[Answer, Place | None]:
    """One page of what all processes answered, and the place from which the next goes on, if there is more."""
    seen = sorted((each for answer in answers for each in answer.seen), key=lambda each: each.place)
    page = Answer(total=sum(answer.total for answer in answers), seen=seen[:PAGE])
    return page, page.seen[-1].place if len(seen) > PAGE else None


def close(members: Iterable[Member], order: Close, process: str) -> Answer:
    """Send members away with a code that lets them come back, as a server does that ends; say which they were."""
    meant = [
        member
        for member in members
        if (order.user and member.state.user_id == order.user) or (order.connection and member.id == order.connection)
    ]
    for member in meant:
        member.close(ProtocolError("draining", SENT_AWAY))
    return Answer(total=len(meant), seen=[_seen(member, _place(member, False), process) for member in meant[:PAGE]])


def _is_meant(member: Member, question: Question) -> bool:
    return (
        (not question.user or member.state.user_id == question.user)
        and (not question.transport or member.transport == question.transport)
        and (not question.topic or question.topic in member.state.topics)
    )


def _place(member: Member, behind: bool) -> Place:
    # The id is a UUIDv7: the newer, the larger. Turned round it puts the newest first.
    return -member.unsent if behind else 0, f"{_LARGEST - UUID(member.id).int:032x}"


def _seen(member: Member, place: Place, process: str) -> Seen:
    topics = sorted(list(member.state.topics))  # noqa: C414  # a copy at once: it may change while it is sorted
    return Seen(
        id=member.id,
        process=process,
        user=member.state.user_id,
        address=member.address,
        transport=member.transport,
        topics=topics[:MOST_TOPICS],
        more_topics=max(0, len(topics) - MOST_TOPICS),
        since=(UUID(member.id).int >> 80) / 1000,
        behind=member.unsent,
        place=place,
    )
