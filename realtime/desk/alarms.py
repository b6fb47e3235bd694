"""When something is wrong enough to say so, and when it is over. Pure.

With hysteresis: what hovers about its threshold is said once, not every five seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext_lazy as _

from realtime.conf import conf

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

Severity = Literal["warning", "error"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that may be wrong: from which value on, and what is then said."""

    name: str
    severity: Severity
    shared: bool
    """It is the same seen from every process, so one of them says it."""
    threshold: Callable[[], float]
    words: StrPromise

    def message(self, value: float) -> str:
        """What is said of it, in the language of who reads."""
        return self.words.format(value=f"{value:.0f}")


OVER = _("It is over: {kind}.")
GONE = _("The process that said so is silent, so it counts as over: {kind}.")

KINDS = (
    Kind(
        "follower_lag",
        "error",
        False,
        lambda: conf.ALERT_LAG,
        _("A process is {value} entries behind the log: its clients hear late. Look at its load and its database."),
    ),
    Kind(
        "outbox_age",
        "error",
        True,
        lambda: conf.ALERT_OUTBOX,
        _("An event has waited {value} s for its place: nobody sequences, or a transaction was open for so long."),
    ),
    Kind(
        "announcer_drops",
        "warning",
        False,
        lambda: conf.ALERT_DROPS,
        _("A process dropped {value} announcements in a minute: others hear at their tick. Look at Redis."),
    ),
    Kind(
        "errors",
        "warning",
        False,
        lambda: conf.ALERT_ERRORS,
        _("A process had {value} errors in a minute. Its log says which."),
    ),
    Kind(
        "slow_clients",
        "warning",
        False,
        lambda: conf.ALERT_SLOW,
        _("{value} clients of a process do not take what they are sent. Look at the network between."),
    ),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """Something has become wrong, or is so no longer."""

    kind: Kind
    value: float
    begins: bool


class Alarms:
    """Follows the values of one process. Kinds without a value at some look stay as they are."""

    def __init__(self) -> None:
        self._on: set[str] = set()
        self._agreeing: dict[str, int] = {}

    @property
    def on(self) -> frozenset[str]:
        """The kinds that are wrong now."""
        return frozenset(self._on)

    def look(self, values: Mapping[str, float]) -> Iterator[Turn]:
        """Take note of the values, and give what has turned."""
        for kind in KINDS:
            if kind.name not in values:
                continue
            value, is_on = values[kind.name], kind.name in self._on
            bound = kind.threshold()
            turns = value <= bound * conf.ALERT_END if is_on else value >= bound
            self._agreeing[kind.name] = self._agreeing.get(kind.name, 0) + 1 if turns else 0
            if self._agreeing[kind.name] >= conf.ALERT_CHECKS:
                self._agreeing[kind.name] = 0
                self._on ^= {kind.name}
                yield Turn(kind, value, begins=not is_on)
