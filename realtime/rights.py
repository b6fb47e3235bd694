"""Who may read what, kept in this process for as long as nothing about the user was written to the log.

What is kept is good up to where the follower stands: it drops a user at each control entry, before anybody is told of
it, and everybody when history changes. Those who are not known are read many at a time.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

from django.utils import timezone

from realtime import standings
from realtime.conf import conf
from realtime.protocol.entry import Entry
from realtime.protocol.errors import ProtocolError
from realtime.standings import Standing
from realtime.threads import run_db
from realtime.together import Together, Waiting
from realtime.tokens import Claim, Credentials

if TYPE_CHECKING:
    from realtime.follower import Follower

ATTEMPTS = 5  # reads of rights that never rest
NAMED_AT_ONCE = 1000  # topics that one query asks for by name
LET_GO_AT_ONCE = 1000  # users, of those whose time is up
TOKENS = 8  # per user: known again without being read and judged


@dataclass(slots=True, eq=False)
class Rights:
    """One user and what they may read, as of where the follower stands while ``is_current``."""

    user_id: str
    user: Any
    read_at: float
    automatic: frozenset[str] = frozenset()
    granted: frozenset[str] = frozenset()
    marks: tuple[bytes, ...] = ()  # of the tokens that were good
    is_current: bool = True


Found = tuple[Rights, Credentials]


class _Ask(NamedTuple):
    """Whose rights are asked for, and which topics by name."""

    claim: Claim
    user_id: str
    named: frozenset[str]


_Waiting = Waiting[_Ask, Found | None]
"""One client that waits for its rights. The answer is None where the log has to be asked instead."""


class RightsCache:
    """The rights of the users who came lately, for one follower."""

    def __init__(self, follower: Follower, clock: Callable[[], float] = time.monotonic) -> None:
        self._follower = follower
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._reads = Together[_Ask, Found | None](self._read, weigh=_named, heaviest=NAMED_AT_ONCE)
        self._kept: OrderedDict[str, Rights] = OrderedDict()
        self._by_token: dict[bytes, Found] = {}
        self._seqs: dict[str, int] = {}
        self._uses: Counter[str] = Counter()  # of a topic, by users who are kept
        self._dropped: set[str] = set()  # since the read under way began; nobody while there is none
        self._is_reading = False
        with _registering:
            _caches.add(self)

    def __len__(self) -> int:
        return len(self._kept)

    async def admit(self, claim: Claim, named: frozenset[str]) -> Found | None:
        """The rights of whom ``claim`` speaks for, and the credentials it is good for; None: ask the log.

        The rights hold those of ``named`` that are granted. Whoever goes on from them looks at ``is_current`` first,
        in the same step. Raises ProtocolError as the credential deserves, and the database's errors.
        """
        ask = _Ask(claim, str(claim.pk), named)
        return await self._from_memory(ask) or await self._reads.ask(ask)

    def recall(self, mark: bytes | None) -> Found | None:
        """Whom a token speaks for that was found good, if nothing was heard of them since and its time is not up."""
        found = self._by_token.get(mark) if mark is not None else None
        if found is None or self._fresh(found[0].user_id) is None:
            return None
        expires_at = found[1].expires_at
        return None if expires_at is not None and expires_at <= timezone.now() else found

    def seq(self, topic: str) -> int:
        """The newest seq of a topic that somebody with current rights may read."""
        return self._seqs[topic]

    def take(self, entries: Iterable[Entry]) -> None:
        """Obey what the follower is about to tell: who is spoken of in a control entry is known no more."""
        for entry in entries:
            if entry.topic in self._seqs:
                self._seqs[entry.topic] = entry.seq
            elif entry.is_control:
                self.drop(entry.topic.partition(":")[2])

    def drop(self, user_id: str) -> None:
        """Forget a user's rights, and what is being read of them."""
        if self._is_reading:
            self._dropped.add(user_id)
        rights = self._kept.pop(user_id, None)
        if rights is not None:
            self._let_go(rights)

    def clear(self) -> None:
        """Forget everybody: what was read belongs to another history."""
        for user_id in list(self._kept):
            self.drop(user_id)

    def let_go(self) -> None:
        """Forget some of those whose time is up: they would be read again, and until then only take room."""
        for _ in range(LET_GO_AT_ONCE):
            if not self._kept or self._fresh(next(iter(self._kept))) is not None:
                return

    async def _from_memory(self, ask: _Ask) -> Found | None:
        rights, claim = self._fresh(ask.user_id), ask.claim
        if rights is None or not ask.named <= rights.granted:
            return None
        try:
            credentials = await run_db(claim.judge, rights.user)
        except ProtocolError:
            return None  # it may be newer than what is kept: only a row read after it came refuses it
        if not rights.is_current:
            return None
        self._remember(rights, claim, credentials)
        return rights, credentials

    def _remember(self, rights: Rights, claim: Claim, credentials: Credentials) -> None:
        if claim.mark is not None and claim.mark not in rights.marks and len(rights.marks) < TOKENS:
            rights.marks += (claim.mark,)
            self._by_token[claim.mark] = rights, credentials

    def _fresh(self, user_id: str) -> Rights | None:
        rights = self._kept.get(user_id)
        if rights is None or self._clock() - rights.read_at < conf.RIGHTS_CACHE:
            return rights
        del self._kept[user_id]
        self._let_go(rights)
        return None

    def _let_go(self, rights: Rights) -> None:
        rights.is_current = False
        for mark in rights.marks:
            del self._by_token[mark]
        self._release(rights.granted)

    def _release(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self._uses[topic] -= 1
            if not self._uses[topic]:
                del self._uses[topic], self._seqs[topic]

    # Reading

    async def _read(self, batch: Sequence[_Waiting]) -> None:
        self._is_reading = True
        try:
            await self._answer(batch)
        finally:
            self._is_reading = False
            self._dropped.clear()

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        follower, began = self._follower, self._clock()
        place, histories = follower.place, follower.histories
        found = await run_db(_look_up, [waiting.question for waiting in batch]) if follower.started else {}
        head = next((standing.head for standing, _ in found.values()), None)
        if head is not None and head.epoch == place.epoch and head.position >= place.position:
            if not await follower.reach(head.position):
                raise ProtocolError("unavailable")
            same = follower.histories == histories and follower.tail.check_at(head.position) == head.check
            if same:
                follower.floor = max(follower.floor, head.floor)
            else:
                found = {}
        else:  # the log is another one than this process follows: it will notice, and meanwhile knows nothing
            found = {}
        for waiting in batch:
            self._settle(waiting, found.get(id(waiting.question)), began)

    def _settle(self, waiting: _Waiting, found: tuple[Standing, Credentials | Exception] | None, began: float) -> None:
        """Answer one client, or let it ask again where its rights changed since they were read."""
        ask = waiting.question
        if found is None or not found[0].is_settled:
            waiting.tell(None)
        elif ask.user_id in self._dropped:
            waiting.attempts += 1
            if waiting.attempts < ATTEMPTS:
                self._reads.ask_again(waiting)
            else:
                waiting.tell(ProtocolError("unavailable"))
        elif isinstance(found[1], Exception):
            waiting.tell(found[1])
        else:
            rights = self._keep(ask.user_id, found[0], began)
            self._remember(rights, ask.claim, found[1])
            waiting.tell((rights, found[1]))

    def _keep(self, user_id: str, standing: Standing, began: float) -> Rights:
        rights = self._kept.pop(user_id, None)
        if rights is not None and began - rights.read_at > conf.RIGHTS_CACHE:
            self._let_go(rights)
            rights = None
        rights = self._kept[user_id] = rights or Rights(user_id, standing.user, began)
        for topics in (standing.automatic, standing.named):
            for topic in topics.keys() - rights.granted:
                self._count(topic, topics[topic], standing.head.position)
            rights.granted |= topics.keys()
        automatic = frozenset(standing.automatic)
        rights.user, rights.automatic = standing.user, rights.granted if automatic == rights.granted else automatic
        while len(self._kept) > max(conf.RIGHTS_USERS, conf.RIGHTS_BATCH):
            self._let_go(self._kept.popitem(last=False)[1])
        return rights

    def _count(self, topic: str, seq: int, position: int) -> None:
        """Follow a topic's seq from now on; what was read may be older than where this process stands."""
        self._uses[topic] += 1
        newest = self._follower.tail.newest(topic)
        if topic not in self._seqs:
            self._seqs[topic] = newest.seq if newest is not None and newest.position > position else seq


def forget(user_id: object) -> None:
    """Have this process forget a user's rights, without waiting for the log to say so. From any thread."""
    with _registering:
        caches = list(_caches)
    for cache in caches:
        try:
            cache._loop.call_soon_threadsafe(cache.drop, str(user_id))
        except RuntimeError:  # its loop has closed
            continue


def _look_up(batch: Sequence[_Ask]) -> dict[int, tuple[Standing, Credentials | Exception]]:
    """Read the standings of all who ask, and judge what each came with. In a thread."""
    if not standings.can_be_read():
        return {}
    named = frozenset[str]().union(*(ask.named for ask in batch))
    read = standings.read({ask.claim.pk for ask in batch}, named)
    return {
        id(ask): (standing, _judged(ask.claim, standing))
        for ask in batch
        if (standing := read.get(ask.user_id)) is not None
    }


def _named(ask: _Ask) -> int:
    return len(ask.named)


def _judged(claim: Claim, standing: Standing) -> Credentials | Exception:
    try:
        return claim.judge(standing.user)
    except Exception as error:  # a refusal, or a host project's rule that failed: of nobody else's concern
        return error


_caches: WeakSet[RightsCache] = WeakSet()
_registering = threading.Lock()


def _forget_caches() -> None:
    """Start over in a forked child: the loops are its parent's, and so is the thread that may have held the lock."""
    global _caches, _registering
    _caches, _registering = WeakSet(), threading.Lock()


os.register_at_fork(after_in_child=_forget_caches)
