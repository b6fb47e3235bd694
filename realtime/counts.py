"""How many there are of a thing, here and on the other processes: numbers that are told, and end with who told them.

Apart from what is counted. Nothing is waited for: each process says its own numbers over the channel layer, a moment
after they changed, and adds up what it hears. A process that says nothing any more is forgotten within one lease; with
Redis down everybody knows their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from realtime.conf import conf

MESSAGE_TYPE = "realtime.counts"
CHUNK = 1000  # numbers that one message holds at most
SAY_AFTER = 0.05  # seconds for which changes gather before they are told
PROCESSES = 256  # whose numbers are kept, at most: a stranger on the layer could invent any number of them
EVERYBODY = "*"


class Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a process says: its numbers now, of what changed or (``whole``, in pieces) of everything.

    Its words are numbered, so that who missed one notices and can ``ask`` it, or everybody, for the whole.
    """

    process: str
    number: int
    counts: dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]] = {}
    whole: bool = False
    ask: str = ""


class Count:
    """One number: of this process, and of all others."""

    __slots__ = ("elsewhere", "here", "key")

    def __init__(self, key: str) -> None:
        self.key = key
        self.here = 0
        self.elsewhere = 0

    @property
    def all(self) -> int:
        """Here and elsewhere."""
        return self.here + self.elsewhere


class Other:
    """What is known of another process: its numbers, the newest of its words, and until when that holds."""

    __slots__ = ("counts", "next_ask", "number", "until")

    def __init__(self, number: int) -> None:
        self.counts: dict[str, int] = {}
        self.number = number
        self.until = 0.0
        self.next_ask = 0.0


class Counts:
    """The numbers that one event loop knows. ``tell`` sends to the other processes; ``later`` calls back."""

    def __init__(
        self,
        process: str,
        *,
        tell: Callable[[dict[str, Any]], None],
        later: Callable[[float, Callable[[], None]], Any],
        clock: Callable[[], float],
    ) -> None:
        self._process = process
        self._counts: dict[str, Count] = {}
        self._others: dict[str, Other] = {}
        self._changed: dict[str, None] = {}
        self._tell = tell
        self._later = later
        self._clock = clock
        self._number = 0
        self._renewal = 0.0
        self._is_due = False
        self._is_asked = False
        self._next_whole = 0.0

    def of(self, key: str) -> Count:
        """The number of a thing. Let go of it unless something is added to it at once."""
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = Count(key)
        return count

    def add(self, count: Count) -> None:
        """One more, here."""
        count.here += 1
        self._change(count.key)

    def take(self, count: Count) -> None:
        """One less, here."""
        count.here -= 1
        self._change(count.key)
        self.forget(count)

    def forget(self, count: Count) -> None:
        """Keep no number of a thing of which there is none."""
        if not count.all:
            self._counts.pop(count.key, None)

    def items(self) -> Iterable[tuple[str, Count]]:
        """What is counted, here or elsewhere."""
        return self._counts.items()

    def beat(self) -> None:
        """Say that this process lives, and let go of those that do not say so. Call it about once a second."""
        now = self._clock()
        if now >= self._renewal:
            is_first = self._renewal == 0.0
            self._renewal = now + conf.COUNT_LEASE / 3
            if is_first:  # also in place of a process that was killed: what it said is forgotten at once
                self._say_whole()
            self._say(ask=EVERYBODY if is_first else "")
        for process in [process for process, other in self._others.items() if other.until <= now]:
            self._replace(self._others.pop(process), {})

    def hear(self, message: Any) -> None:
        """Take what another process says. Raises ValueError for what is no such word."""
        try:
            word = msgspec.convert(message, Word)
        except msgspec.ValidationError as error:
            raise ValueError("not a word about counts") from error
        if word.process == self._process:
            return
        if len(word.counts) > CHUNK:
            raise ValueError("too many counts in one word")
        self._take_in(word)
        if word.ask in (EVERYBODY, self._process) and not self._is_asked:
            self._is_asked = True
            # Not more often, or what is dropped on a full way would only be followed by more.
            self._later(max(SAY_AFTER, self._next_whole - self._clock()), self._say_whole)

    def _take_in(self, word: Word) -> None:
        other = self._others.get(word.process)
        if other is None:
            if len(self._others) >= PROCESSES:
                return
            other = self._others[word.process] = Other(0)
        other.until = self._clock() + conf.COUNT_LEASE
        if word.whole:
            self._replace(other, dict(word.counts))
        elif word.number <= other.number:  # said twice, or overtaken; or by a successor, whose first words were lost
            if self._clock() >= other.next_ask:  # not each time, or whoever repeats old words has everybody ask
                other.next_ask = self._clock() + conf.COUNT_LEASE / 3
                self._say(ask=word.process)
            return
        else:
            self._update(other, word.counts)
            if word.number != other.number + 1:
                self._say(ask=word.process)
        other.number = word.number

    def _replace(self, other: Other, counts: dict[str, int]) -> None:
        self._update(other, {**dict.fromkeys(other.counts, 0), **counts})

    def _update(self, other: Other, counts: dict[str, int]) -> None:
        for key, number in counts.items():
            if number and key not in other.counts and len(other.counts) >= 3 * conf.MAX_CONNECTIONS:
                continue  # more than a process could have
            count = self.of(key)
            count.elsewhere += number - other.counts.pop(key, 0)
            if number:
                other.counts[key] = number
            self.forget(count)

    def _change(self, key: str) -> None:
        self._changed[key] = None
        if not self._is_due:
            self._is_due = True
            self._later(SAY_AFTER, self._say_changes)

    def _say_changes(self) -> None:
        self._is_due = False
        changed, self._changed = self._changed, {}
        for piece in _pieces({key: self._here(key) for key in changed}):
            self._say(piece)

    def _say_whole(self) -> None:
        self._is_asked = False
        self._next_whole = self._clock() + conf.COUNT_LEASE / 3
        whole = {key: count.here for key, count in self._counts.items() if count.here}
        for number, piece in enumerate(_pieces(whole) or [{}]):
            self._say(piece, whole=number == 0)

    def _here(self, key: str) -> int:
        count = self._counts.get(key)
        return 0 if count is None else count.here

    def _say(self, counts: dict[str, int] | None = None, *, whole: bool = False, ask: str = "") -> None:
        self._number += 1
        word = Word(self._process, self._number, counts or {}, whole=whole, ask=ask)
        self._tell(msgspec.to_builtins(word))


def _pieces(counts: dict[str, int]) -> list[dict[str, int]]:
    items = list(counts.items())
    return [dict(items[start : start + CHUNK]) for start in range(0, len(items), CHUNK)]
