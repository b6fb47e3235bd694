"""The desk of one event loop: tells the figures of this process while somebody watches, asks the others and obeys them.

One per hub. All of it is ephemeral: without Redis a process hears only itself, and says so.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import Error as DatabaseError
from django.utils import timezone

from realtime import log
from realtime.conf import conf
from realtime.desk import connections, figures, words
from realtime.desk.figures import Figures, OperationsFigures, Tally
from realtime.desk.news import News
from realtime.desk.watch import Watch
from realtime.metrics import errors_so_far, metrics, total
from realtime.protocol.entry import Entry
from realtime.threads import run_db

if TYPE_CHECKING:
    from realtime.hub import Hub

logger = logging.getLogger("realtime.desk")

STAFF = "staff"
INTERVALS = 3  # for which a word about watching, and one of figures, hold


@dataclass(slots=True)
class _Open:
    """A question whose answers are still coming."""

    answers: dict[str, connections.Answer] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Desk:
    """What staff sees of this process, and of the others through it. ``tell`` sends a word to all processes."""

    def __init__(self, hub: Hub, tell: Callable[[bytes], None]) -> None:
        self.process = uuid.uuid4().hex
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.news = News(hub.tell_staff)
        self.watch = Watch(self.name, lambda: hub.follower.position, hub.slow)
        self._hub = hub
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._tally = Tally()
        self._heard: dict[str, tuple[float, Figures]] = {}
        self._watched_until = 0.0
        self._next = 0.0
        self._last = self._loop.time()
        self._counted = (0.0, 0.0)
        self._telling: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._open: dict[int, _Open] = {}
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def is_watched(self) -> bool:
        """Whether anybody, on any process, looks at the figures."""
        return self._loop.time() < self._watched_until

    def take(self, entries: Sequence[Entry]) -> None:
        """See what goes out to this process's clients. Next to free while nobody of the staff looks."""
        on, now = self._hub.members.on, timezone.now()
        waited = figures.waited_for(entries, on, now)
        if waited is not None:
            metrics.latency.observe(waited)
        if self.is_watched:
            self._tally.note(entries, on, now)
        if self._hub.members.on(STAFF):
            self.news.take(entries)

    def beat(self) -> None:
        """Look after this process; tell its figures if somebody watches. Call it about once a second."""
        self.watch.beat()
        now = self._loop.time()
        if now < self._next:
            return
        if self._hub.members.on(STAFF):
            self.keep()
        if self.is_watched and (self._telling is None or self._telling.done()):
            self._next = now + conf.FIGURES_INTERVAL
            self._telling = self._loop.create_task(self._tell_figures())

    def keep(self) -> None:
        """Have all processes tell their figures for the next while."""
        self._say(words.Watching(self.process))
        self._watch()

    def hear(self, raw: object) -> None:
        """Take what a process says. Raises ValueError for what is no word."""
        word = words.decode(raw)
        if word.process == self.process:
            return
        match word:
            case words.Watching():
                self._watch()
            case words.Told(process=process, figures=told):
                self._note(process, told)
            case words.Asked(process=process, number=number, request=request):
                answering = self._loop.create_task(self._answer(process, number, request))
                self._answering.add(answering)
                answering.add_done_callback(self._answering.discard)
            case words.Answered(process=process, to=to, number=number, answer=answer):
                if to == self.process and number in self._open:
                    self._open[number].answers[process] = answer
                    self._open[number].changed.set()

    def figures(self) -> OperationsFigures:
        """How all processes are doing, as far as has been heard."""
        return figures.together(told for _, told in self._current().values())

    async def ask(self, request: connections.Question | connections.Close) -> list[connections.Answer]:
        """What all processes answer; those that are slow, or that were never heard of, are waited for a moment only."""
        number, waiting = next(self._numbers), _Open()
        self._open[number] = waiting
        try:
            self._say(words.Asked(self.process, number, request))
            own = await self._do(request)
            with suppress(TimeoutError):
                async with asyncio.timeout(conf.ASK_TIMEOUT):
                    while not self._is_complete(waiting):
                        waiting.changed.clear()
                        await waiting.changed.wait()
        finally:
            del self._open[number]
        return [own, *waiting.answers.values()]

    def _is_complete(self, waiting: _Open) -> bool:
        """Whether every process that is known has answered. Nobody is known until figures have been told."""
        known = self._current().keys() - {self.process}
        return bool(self._current()) and known <= waiting.answers.keys()

    def _current(self) -> dict[str, tuple[float, Figures]]:
        """What was heard lately; who has been silent since is gone."""
        oldest = self._loop.time() - INTERVALS * conf.FIGURES_INTERVAL
        self._heard = {process: said for process, said in self._heard.items() if said[0] >= oldest}
        return self._heard

    def _note(self, process: str, told: Figures) -> None:
        self._heard[process] = (self._loop.time(), told)

    def _watch(self) -> None:
        if not self.is_watched:  # what was counted before belongs to no interval
            self._tally.taken()
            self._counted, self._last = self._counters(), self._loop.time()
        self._watched_until = self._loop.time() + INTERVALS * conf.FIGURES_INTERVAL

    def _say(self, word: words.Word) -> None:
        self._tell(words.encode(word))

    async def _answer(self, process: str, number: int, request: connections.Question | connections.Close) -> None:
        self._say(words.Answered(self.process, process, number, await self._do(request)))

    async def _do(self, request: connections.Question | connections.Close) -> connections.Answer:
        if isinstance(request, connections.Close):
            return connections.close(self._hub.members.everybody(), request, self.name)
        # Off the loop: it looks at every client, and there may be ten thousand.
        everybody = self._hub.members.everybody()
        return await asyncio.to_thread(connections.answer, everybody, request, self.name)

    async def _tell_figures(self) -> None:
        try:
            own = await self._own()
        except Exception:  # the next one comes all the same
            logger.exception("the figures of this process could not be told")
            return
        self._note(self.process, own)
        self._say(words.Told(self.process, own))
        if self._hub.members.on(STAFF):
            self._hub.tell_staff("OperationsFigures", figures.together(told for _, told in self._current().values()))

    async def _own(self) -> Figures:
        head, waiting = await self._of_the_log()
        now = self._loop.time()
        seconds = max(now - self._last, 0.001)
        delivered, errors = self._counters()
        events, latency, traffic = self._tally.taken()
        told = Figures(
            process=self.process,
            name=self.name,
            clients=dict(Counter(member.transport for member in self._hub.members.everybody())),
            users=len(self._hub.members.users),
            topics=len(self._hub.members.topics),
            position=self._hub.follower.position,
            head=head,
            waiting=waiting,
            events=round(events / seconds, 2),
            deliveries=round((delivered - self._counted[0]) / seconds, 2),
            errors=round((errors - self._counted[1]) / seconds, 2),
            slow=self._hub.slow(),
            latency=latency,
            busiest=figures.busiest(self._topics(), traffic, seconds),
        )
        self._counted, self._last = (delivered, errors), now
        return told

    async def _of_the_log(self) -> tuple[int | None, float | None]:
        """The log's head and the age of what waits for its place; None where the database does not answer."""
        try:
            head, since = await run_db(_log_figures)
        except DatabaseError:
            return None, None
        return head, max(0.0, round((timezone.now() - since).total_seconds(), 2)) if since else 0.0

    def _topics(self) -> dict[str, int]:
        return {topic: len(group) for topic, group in self._hub.members.topics.items()}

    def _counters(self) -> tuple[float, float]:
        """Deliveries and errors of this process since it began."""
        return total(metrics.delivered), errors_so_far()


def _log_figures() -> tuple[int, Any]:
    return log.head().position, log.waiting_since()
