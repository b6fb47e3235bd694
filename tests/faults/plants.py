"""Faults planted in the product itself, to see that the checker finds them: ``run.py faults NAME --plant WHICH``.

An app of the servers' settings, which does nothing unless the environment names one of ``PLANTS``. What is planted here
is survived by nobody: a run with it that reports no anomaly has shown that the checker is blind.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from typing import Any

from django.apps import AppConfig

VARIABLE = "PLANT"


class Plants(AppConfig):
    """Plants what the environment names."""

    name = "tests.faults"
    label = "plants"

    def ready(self) -> None:
        if which := os.environ.get(VARIABLE):
            PLANTS[which]()


def drop_one() -> None:
    """The hub forgets one entry in sixty."""
    from realtime.hub import Hub

    told, now_and_then = Hub._fan_out, _every(60)

    def forgetful(self: Any, entries: list[Any]) -> None:
        told(self, [entry for entry in entries if entry.is_control or not now_and_then()])

    Hub._fan_out = forgetful  # type: ignore[method-assign]


def send_twice() -> None:
    """A fan-out ends, one time in forty, with its last event once more."""
    _change_what_is_sent(40, lambda frames: [*frames, frames[-1]])


def swap_two() -> None:
    """A fan-out of several events sends them, one time in three, the other way round."""
    _change_what_is_sent(3, lambda frames: frames[::-1])


def skip_a_right() -> None:
    """The hub does not obey one control entry in three."""
    from realtime.hub import Hub

    obeyed, now_and_then = Hub._control, _every(3)

    def disobedient(self: Any, entry: Any) -> None:
        if not now_and_then():
            obeyed(self, entry)

    Hub._control = disobedient  # type: ignore[method-assign]


def skip_the_gap() -> None:
    """The follower goes on with a batch that begins later than where it stands."""
    from realtime.follower import Follower

    taken = Follower.take

    def hasty(self: Any, batch: Any) -> None:
        if self.started and batch.epoch == self.epoch and batch.entries and batch.first > self.position + 1:
            self._append(batch.entries)
        else:
            taken(self, batch)

    Follower.take = hasty  # type: ignore[method-assign]


def publish_outside() -> None:
    """Events are committed by themselves, whatever becomes of the change that they tell of."""
    from django.db import connections

    from realtime import outbox

    inserted = outbox.insert

    def beside(connection: Any, event: Any, topics: Any) -> Any:
        rows = []

        def insert() -> None:
            rows.append(inserted(connections[connection.alias], event, topics))
            connections.close_all()

        thread = threading.Thread(target=insert)
        thread.start()
        thread.join()
        return rows[0]

    outbox.insert = beside


PLANTS: dict[str, Callable[[], None]] = {
    "drop-one": drop_one,
    "send-twice": send_twice,
    "swap-two": swap_two,
    "skip-a-right": skip_a_right,
    "skip-the-gap": skip_the_gap,
    "publish-outside": publish_outside,
}


def _change_what_is_sent(how_often: int, change: Callable[[list[Any]], list[Any]]) -> None:
    from realtime import fanout

    joined, now_and_then = fanout.joined, _every(how_often)

    def changed(frames: Any, form: Any, limit: int) -> list[bytes]:
        return joined(change(frames) if len(frames) > 1 and now_and_then() else frames, form, limit)

    fanout.joined = changed


def _every(count: int) -> Callable[[], bool]:
    """True one time in so many."""
    turns = itertools.count(1)
    return lambda: next(turns) % count == 0
