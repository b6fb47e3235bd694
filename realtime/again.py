"""What a user has not acknowledged is given again to each of their clients that connects, once.

Apart from the replay, which goes by the client's cursor: this goes by what users have confirmed, on whatever client. It
costs no query where nothing is open for the user; those of whom that is not certain are asked for many at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from realtime import log, receipts
from realtime.conf import conf
from realtime.metrics import metrics
from realtime.protocol.entry import SESSIONS_ENDED, Entry
from realtime.protocol.errors import ProtocolError
from realtime.protocol.frame import Frame
from realtime.protocol.subscriber import losses
from realtime.receipts import Ask, Due
from realtime.threads import run_db
from realtime.together import Together, Waiting
from realtime.wanting import Settled, Want, Wanting

if TYPE_CHECKING:
    from realtime.follower import Follower
    from realtime.members import Member

logger = logging.getLogger("realtime.again")

WANTS_AT_ONCE = 5000  # events that one read asks for, of all its users together


class _Question(NamedTuple):
    """What is asked, and who is to remember the answer: those of the history that the places are of."""

    ask: Ask
    settled: Settled


class Again:
    """What is open, and for whom, as far as this process knows. For one follower."""

    def __init__(self) -> None:
        self.wanting = Wanting()
        self.settled = Settled()
        self._reads = Together[_Question, list[Entry]](self._read_open, weigh=_wants, heaviest=WANTS_AT_ONCE)

    def restart(self, wanting: Wanting) -> None:
        """Know what another history holds, and nothing of whom it was confirmed by."""
        # Another object: what is being read of the history before must not be taken for this one's.
        self.wanting, self.settled = wanting, Settled()

    def is_certainly_nothing(self, user_id: str, topics: Collection[str], behind: int, upto: int) -> bool:
        """Whether memory is sure that between two places nothing on these topics is open for the user."""
        return behind >= self.wanting.begin and not self._candidates(user_id, topics, behind, upto)

    async def due(self, user_id: str, topics: Collection[str], behind: int, upto: int) -> Due:
        """What between two places is open for the user, one page of it, as of a moment after this was asked."""
        settled = self.settled
        page = self._candidates(user_id, topics, max(behind, self.wanting.begin), upto)
        end: int | None = None
        if behind < self.wanting.begin:  # there are more than memory holds
            older = await run_db(receipts.wants_on, topics, behind, min(upto, self.wanting.begin))
            whole = len(older) < conf.PAGE
            page = [*older, *page] if whole else older
            end = None if whole else older[-1].position
        if len(page) > conf.PAGE:
            page = page[: conf.PAGE]
            end = page[-1].position
        return Due(await self._reads.ask(_Question(Ask(user_id, page), settled)) if page else [], end)

    def _candidates(self, user_id: str, topics: Collection[str], behind: int, upto: int) -> list[Want]:
        found = self.wanting.on(topics, behind, upto)
        return [want for want in found if not self.settled.has(user_id, want.position)]

    async def _read_open(self, batch: Sequence[Waiting[_Question, list[Entry]]]) -> None:
        answers = await run_db(_read, [waiting.question.ask for waiting in batch])
        for waiting, (entries, settled) in zip(batch, answers, strict=True):
            waiting.question.settled.add(waiting.question.ask.user_id, settled)
            waiting.tell(entries)


async def give_again(follower: Follower, member: Member, *, behind: int = 0, upto: int | None = None) -> None:
    """Send ``member`` what stands behind a place and its user has not acknowledged on any client.

    Up to the place ``upto``, or up to the member's own: what comes later it is sent by its replay. Nothing more is read
    for one that is closed or whose client has left. Raises ProtocolError ``unavailable`` when this process cannot come
    as far as the client in time.
    """
    state, epoch, next_place = member.state, member.state.epoch, behind
    upto = state.position if upto is None else upto
    if not await follower.reach(upto):
        raise ProtocolError("unavailable")
    while follower.epoch == epoch and member.is_open:  # another: it will be told to start over, and this as well
        found = await follower.again.due(state.user_id, tuple(state.topics), next_place, upto)
        for entry in found.entries:
            if _may_be_given(follower, member, entry):
                member.deliver(Frame(entry, epoch, replayed=True, placed=False))
                metrics.given_again.labels(member.transport).inc()
                await member.flushed()
        if found.behind is None:
            return
        next_place = found.behind


async def give_all_again(follower: Follower, members: Sequence[Member], upto: int) -> None:
    """Send each of the members what stands up to a place and is open for its user, many at a time."""
    for begin in range(0, len(members), conf.RIGHTS_BATCH):
        given = (give_again(follower, member, upto=upto) for member in members[begin : begin + conf.RIGHTS_BATCH])
        for error in await asyncio.gather(*given, return_exceptions=True):
            if error is not None:  # at its next connect, then
                logger.warning("what was not acknowledged could not be given again: %s", type(error).__name__)


def _may_be_given(follower: Follower, member: Member, entry: Entry) -> bool:
    """Whether, in this moment, the client may still be sent it: neither acknowledged nor out of its sight meanwhile."""
    state = member.state
    if (
        not member.is_open
        or state.ended
        or entry.topic not in state.topics
        or follower.again.settled.has(state.user_id, entry.position)
    ):
        return False
    if state.live:
        return True
    # Until it has joined, it obeys no control entry; here those are known already.
    controls = follower.since(state.rights_position, [state.control]) or ()
    return entry.topic not in losses(controls) and all(each.type != SESSIONS_ENDED for each in controls)


def _wants(question: _Question) -> int:
    return len(question.ask.wants)


def _read(asks: Sequence[Ask]) -> list[tuple[list[Entry], list[int]]]:
    """For each ask: the entries that are open, and the positions of those that are not. In a thread."""
    found = receipts.still_wanted(asks)
    positions = {want.position for wants in found for want in wants}
    # By their ids, too: in a log that was restored meanwhile another event may stand at the place.
    entries = {(entry.position, entry.id): entry for entry in log.entries_at(positions)} if positions else {}
    answers = []
    for ask, wants in zip(asks, found, strict=True):
        names = [(want.position, want.event_id) for want in wants]
        settled = {want.position for want in ask.wants}.difference(want.position for want in wants)
        answers.append(([entries[name] for name in names if name in entries], sorted(settled)))
    return answers
