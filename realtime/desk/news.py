"""Which rows have changed, for lists that staff has open: that some have is told to all of them; which, on asking.

What is said on ``staff`` names models and numbers alone, as its readers need not have a right to the rows. It costs
the one who saves nothing: each process sees every entry of the log, and looks while somebody of its staff listens.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from realtime import log
from realtime.conf import conf
from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Entry

MOST_ROWS = 99  # that are told apart; beyond, a list is told that there are many
PAGES = 20  # of the log that are read for an answer


class RowsChanged(Struct, frozen=True):
    """Rows of these models have changed: a list that shows them is no longer the newest."""

    changes: Annotated[dict[str, int], Meta(description="Number of changes by `app_label.model`.")]


class Changes(NamedTuple):
    """A model's rows that changed, came or went behind a place; ``many``: more than are told apart, or too long ago."""

    ids: frozenset[str]
    many: bool


MANY = Changes(frozenset(), many=True)

_models: dict[str, dict[str, str]] = {}  # of an event type: what of its data names a row of which model


def rows_of(model: str, events: Mapping[str, str]) -> None:
    """Say which events tell of a model's rows: for each type, the key of the row's id in its data, or nothing.

    ``model`` is ``app_label.model``. Its lists then say when they are no longer the newest.
    """
    for type, key in events.items():
        _models.setdefault(type, {})[model] = key


def named_in(type: str, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows that an event tells of, as pairs of a model and an id."""
    return [(model, str(data[key])) for model, key in _models.get(type, {}).items() if key and key in data]


class News:
    """Gathers what changed for a moment, then says it once. ``say`` sends an event to this process's staff."""

    def __init__(self, say: Callable[[str, Struct], None]) -> None:
        self._say = say
        self._ids: dict[str, set[str]] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def take(self, entries: Sequence[Entry]) -> None:
        """Note what the entries tell of. One that goes to two topics counts once."""
        for entry in entries:
            for model in _models.get(entry.type, ()):
                self._ids.setdefault(model, set()).add(entry.id)
        if self._ids and self._timer is None:
            self._timer = self._loop.call_later(conf.NEWS_INTERVAL, self._tell)

    def _tell(self) -> None:
        self._timer = None
        changes = {model: len(ids) for model, ids in sorted(self._ids.items())}
        self._ids = {}
        self._say("RowsChanged", RowsChanged(changes))


def changes_behind(cursor: Cursor, model: str) -> Changes:
    """Which rows of a model changed behind a cursor. Reads the log, a bounded part of it.

    Where an event names no row, its own id stands for one.
    """
    head = log.head()
    is_near = head.position - cursor.position <= PAGES * conf.PAGE
    if cursor.epoch != head.epoch or not (head.floor <= cursor.position <= head.position and is_near):
        return MANY
    types = {type: keys[model] for type, keys in _models.items() if model in keys}
    ids: set[str] = set()
    position = cursor.position
    while len(ids) <= MOST_ROWS:
        page = log.read(position, upto=head.position, types=types)
        for entry in page.entries:
            key = types[entry.type]
            ids.add(str(json.loads(entry.data)[key]) if key else entry.id)
        if len(page.entries) < conf.PAGE:
            return Changes(frozenset(ids), many=False) if len(ids) <= MOST_ROWS else MANY
        position = page.entries[-1].position
    return MANY
