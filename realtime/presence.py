"""Who is on a topic now, on all processes: leases that are renewed, never a record.

Apart from the log, which keeps what happened: presence is said over the channel layer, nothing of it is kept, and what
a killed process said of its clients ends with their lease.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from realtime.conf import conf
from realtime.topics import has_presence

MESSAGE_TYPE = "realtime.presence"
CHUNK = 1000  # pairs a message names at most
GATHER = 0.05  # seconds within which what is said goes out in one message: ten thousand may come at once

Pair = tuple[str, str]  # topic, user


class Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a process says of its clients. ``ask`` wants everybody to say theirs."""

    process: str
    here: list[Pair] = []
    gone: list[Pair] = []
    ask: bool = False


class Presence:
    """The presence that one event loop knows. ``tell`` sends to the other processes; ``on_change`` hears the sum."""

    def __init__(
        self,
        *,
        tell: Callable[[dict[str, Any]], None],
        on_change: Callable[[str, str, bool], None],
        later: Callable[[float, Callable[[], None]], Any],
        clock: Callable[[], float],
    ) -> None:
        self._process = uuid.uuid4().hex
        self._own: Counter[Pair] = Counter()
        self._leases: dict[Pair, dict[str, float]] = {}
        self._tell = tell
        self._on_change = on_change
        self._later = later
        self._clock = clock
        self._renewal = 0.0
        self._unsaid: dict[Pair, bool] = {}  # who came (True) or went since others were last told

    def online(self, topic: str) -> set[str]:
        """The users on a topic, here or elsewhere."""
        return {user for on, user in [*self._own, *self._leases] if on == topic}

    def enter(self, topic: str, user: str) -> None:
        """A client of ``user`` takes up a topic here."""
        if not has_presence(topic):
            return
        pair = (topic, user)
        is_news = not self._is_known(pair)
        self._own[pair] += 1
        if self._own[pair] == 1:
            self._say_soon(pair, True)
        if is_news:
            self._on_change(topic, user, True)

    def exit(self, topic: str, user: str) -> None:
        """A client of ``user`` left a topic here. It counts after a while: who reconnects was never away."""
        if has_presence(topic) and (topic, user) in self._own:
            self._later(conf.PRESENCE_GRACE, lambda: self._left((topic, user)))

    def beat(self) -> None:
        """Renew what is ours, let go of what others no longer renew. Call it about once a second."""
        now = self._clock()
        if now >= self._renewal:
            if self._renewal == 0.0:
                self._tell(msgspec.to_builtins(Word(self._process, ask=True)))
            self._renewal = now + conf.PRESENCE_LEASE / 3
            self._renew()
        for pair, leases in list(self._leases.items()):
            for process in [process for process, until in leases.items() if until <= now]:
                self._end(pair, process)

    def hear(self, message: Any) -> None:
        """Take what another process says. Raises ValueError for what is no such word."""
        try:
            word = msgspec.convert(message, Word)
        except msgspec.ValidationError as error:
            raise ValueError("not a word about presence") from error
        if word.process == self._process:
            return
        until = self._clock() + conf.PRESENCE_LEASE
        for pair in word.here:
            is_news = not self._is_known(pair)
            self._leases.setdefault(pair, {})[word.process] = until
            if is_news:
                self._on_change(*pair, True)
        for pair in word.gone:
            self._end(pair, word.process)
        if word.ask:
            self._renew()

    def _is_known(self, pair: Pair) -> bool:
        return pair in self._own or pair in self._leases

    def _left(self, pair: Pair) -> None:
        self._own[pair] -= 1
        if self._own[pair] > 0:
            return
        del self._own[pair]
        self._say_soon(pair, False)
        if not self._is_known(pair):
            self._on_change(*pair, False)

    def _end(self, pair: Pair, process: str) -> None:
        leases = self._leases.get(pair, {})
        if leases.pop(process, None) is None or leases:
            return
        del self._leases[pair]
        if not self._is_known(pair):
            self._on_change(*pair, False)

    def _renew(self) -> None:
        self._say(dict.fromkeys(self._own, True))

    def _say_soon(self, pair: Pair, is_here: bool) -> None:
        """Tell the others, together with all that happens within a moment."""
        if not self._unsaid:
            self._later(GATHER, self._say_what_happened)
        self._unsaid[pair] = is_here

    def _say_what_happened(self) -> None:
        unsaid, self._unsaid = self._unsaid, {}
        self._say(unsaid)

    def _say(self, pairs: Mapping[Pair, bool]) -> None:
        told = list(pairs.items())
        for start in range(0, len(told), CHUNK):
            chunk = told[start : start + CHUNK]
            here, gone = ([pair for pair, is_here in chunk if is_here == which] for which in (True, False))
            self._tell(msgspec.to_builtins(Word(self._process, here, gone)))
