"""Looks at this process from time to time, whether anybody watches or not, and alerts staff: once per condition.

Conditions stand in a table, so that one that all processes see is told by one of them, and one of a process that died
ends. The alert itself is an event of the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import override

from realtime import events, log
from realtime.conf import conf
from realtime.desk.alarms import GONE, KINDS, OVER, Alarms, Kind, Turn
from realtime.metrics import errors_so_far, metrics, total
from realtime.models import Condition
from realtime.threads import run_db

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

logger = logging.getLogger("realtime.watch")

LEASE = 6  # looks for which the word of a process that something is wrong holds


class Watch:
    """The alarms of one event loop. ``position`` and ``slow`` say where its follower is, and how many lag behind."""

    def __init__(self, name: str, position: Callable[[], int], slow: Callable[[], int]) -> None:
        self._name = name
        self._position = position
        self._slow = slow
        self._alarms = Alarms()
        self._untold: list[Turn] = []  # what has turned, until the database has taken it
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time() + conf.ALERT_INTERVAL
        self._last = self._loop.time()
        self._counted = _counters()
        self._looking: asyncio.Task[None] | None = None

    def beat(self) -> None:
        """Look if it is time. Call it about once a second."""
        now = self._loop.time()
        if conf.ALERT_INTERVAL and now >= self._next and (self._looking is None or self._looking.done()):
            self._next = now + conf.ALERT_INTERVAL
            self._looking = self._loop.create_task(self._look())

    async def _look(self) -> None:
        try:
            await self.look()
        except DatabaseError as error:
            logger.warning("staff cannot be alerted, the database does not answer: %s", type(error).__name__)
        except Exception:  # the next look comes all the same
            logger.exception("looking after this process failed")

    async def look(self) -> None:
        """Look once, and tell what has turned."""
        head, waited = await run_db(_of_the_log)
        values = self._values(head, waited)
        self._untold += self._alarms.look(values)
        on = self._alarms.on
        # Said again where another process has ended it, as this one could not say for too long that it goes on.
        own = [Turn(kind, values[kind.name], begins=True) for kind in KINDS if kind.name in on and not kind.shared]
        await run_db(_tell, self._name, (*self._untold, *own), on)
        self._untold.clear()

    def _values(self, head: int, waited: float) -> Mapping[str, float]:
        now, counted = self._loop.time(), _counters()
        minutes = max(now - self._last, 1.0) / 60
        drops, errors = (after - before for after, before in zip(counted, self._counted, strict=True))
        self._counted, self._last = counted, now
        return {
            "follower_lag": max(0, head - self._position()),
            "outbox_age": waited,
            "announcer_drops": drops / minutes,
            "errors": errors / minutes,
            "slow_clients": self._slow(),
        }


def standing() -> QuerySet[Condition]:
    """What is wrong now, the longest first."""
    return Condition.objects.using(log.database()).filter(until__gte=timezone.now()).order_by("since")


def message_of(condition: Condition) -> str:
    """What is said of a condition, in the language of who reads; of a kind that is not known here as it was told."""
    kind = next((kind for kind in KINDS if kind.name == condition.kind), None)
    if kind is None or condition.value is None:
        return condition.message
    return kind.message(condition.value)


def _counters() -> tuple[float, float]:
    return total(metrics.announcements, outcome="dropped"), errors_so_far()


def _of_the_log() -> tuple[int, float]:
    since = log.waiting_since()
    waited = max(0.0, (timezone.now() - since).total_seconds()) if since else 0.0
    return log.head().position, waited


def _tell(process: str, turns: Sequence[Turn], on: frozenset[str]) -> None:
    """Begin and end conditions, renew those that go on, and end those of processes that are gone."""
    for turn in turns:
        if turn.begins:
            _begin(process, turn)
        else:
            _end(_name(turn.kind, process), OVER, {"process": process, "value": round(turn.value, 2)})
    now = timezone.now()
    rows = Condition.objects.using(log.database())
    if on:
        rows.filter(name__in=[_name(kind, process) for kind in KINDS if kind.name in on]).update(until=_lease())
    for name in list(rows.filter(until__lt=now).values_list("name", flat=True)):
        _end(name, GONE, {})


def _begin(process: str, turn: Turn) -> None:
    using = log.database()
    kind, value = turn.kind, round(turn.value, 2)
    with override(None):  # what is told is English: nobody on a socket has asked for a language
        message = kind.message(value)
    fields = {
        "kind": kind.name,
        "severity": kind.severity,
        "message": message,
        "value": value,
        "process": "" if kind.shared else process,
        "until": _lease(),
    }
    with transaction.atomic(using=using):
        row, is_new = Condition.objects.using(using).get_or_create(name=_name(kind, process), defaults=fields)
        if is_new:  # else another process has said it
            told = {"process": process, "value": value, "threshold": kind.threshold()}
            events.alert(kind.name, kind.severity, row.message, told, using=using)


def _end(name: str, words: StrPromise, told: Mapping[str, object]) -> None:
    using = log.database()
    with transaction.atomic(using=using):
        rows = Condition.objects.using(using)
        kind = rows.filter(name=name).values_list("kind", flat=True).first()
        ended, _ = rows.filter(name=name).delete()
        if kind is not None and ended:  # else another process has said it
            with override(None):
                message = words.format(kind=kind)
            events.alert(kind, "info", message, told, using=using)


def _name(kind: Kind, process: str) -> str:
    return kind.name if kind.shared else f"{kind.name}@{process}"


def _lease() -> object:
    return timezone.now() + timedelta(seconds=LEASE * conf.ALERT_INTERVAL)
