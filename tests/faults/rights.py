"""Between which places of the log a topic was a user's to read, by its control entries.

Apart from the checker, since those who wait for a client to be complete have to know it too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tests.faults.history import Client, Entry, Log


class Span(NamedTuple):
    """What stands behind ``after`` and before ``upto`` was theirs."""

    after: int
    upto: float

    @property
    def is_open(self) -> bool:
        """Whether it is theirs to this day."""
        return self.upto == math.inf

    def holds(self, entry: Entry) -> bool:
        """Whether an entry of the topic is one of theirs."""
        return self.after < entry.position < self.upto


def spans(log: Log, user: str, topic: str) -> list[Span]:
    """The spans in which the user could read the topic. A joining begins one, though they could read it before."""
    found: list[Span] = []
    since = log.start if topic in log.readers.get(user, ()) else None
    for control in log.controls:
        if control.user != user:
            continue
        if since is not None and topic in control.lost + control.gained:
            found.append(Span(since, control.position))
            since = None
        if topic in control.gained:
            since = control.position
    if since is not None:
        found.append(Span(since, math.inf))
    return found


def last_due(log: Log, client: Client) -> dict[str, int]:
    """For each topic that is the client's in the end and on which something was said: the newest seq it must have."""
    due: dict[str, int] = {}
    for topic in client.topics:
        mine = spans(log, client.user, topic)
        if mine and mine[-1].is_open:
            seqs = [each.seq for each in log.entries if each.topic == topic and each.position > mine[-1].after]
            due |= {topic: seqs[-1]} if seqs else {}
    return due
