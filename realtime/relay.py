"""The background of a process: gives committed events their places and tells other processes that the log grew.

Apart from publishing, which must neither wait nor fail. Everything here may be killed, frozen or repeated at any
point: the outbox keeps what is not done, and any other process does it.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from realtime import log
from realtime.announcer import Announcer
from realtime.conf import conf
from realtime.horizon import Horizon
from realtime.metrics import metrics
from realtime.protocol.entry import Batch

logger = logging.getLogger("realtime.relay")

_chance = random.Random()  # noqa: S311  (no secret; its own, so that nobody's seeded sequence moves for a tick)

CLOSE = 4
"""So many commits within ``SEQUENCE_PAUSE`` come in close order."""

Nudge = Callable[[Batch], None]


class Relay:
    """One thread that sequences, and one that announces. Started by the first wake, once per process."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        """Begin as in a fresh process; after a fork the parent's threads are not there."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._announcer = Announcer()
        self._nudges: tuple[Nudge, ...] = ()
        self._horizon = Horizon()
        self._next_whole_look = 0.0
        self._gathered = -math.inf
        self._commits: deque[float] = deque([-math.inf] * CLOSE, maxlen=CLOSE)  # when the newest were made

    def wake(self) -> None:
        """Say that something was committed. Returns at once and never raises."""
        self._commits.append(time.monotonic())
        self._wake.set()
        self._start()

    def tell(self, message: dict[str, Any]) -> None:
        """Send other processes something that is not logged. Nothing is promised; returns at once."""
        self._announcer.tell(message)

    def follow(self, nudge: Nudge) -> None:
        """Hand every batch sequenced here to ``nudge`` first, and look at the outbox on every tick from now on.

        For server processes: what a dead process left in the outbox is sequenced by the next tick of any of them.
        """
        with self._lock:
            self._nudges = (*self._nudges, nudge)
        self._wake.set()
        self._start()

    def unfollow(self, nudge: Nudge) -> None:
        """Stop handing batches to ``nudge``."""
        with self._lock:
            self._nudges = tuple(known for known in self._nudges if known != nudge)

    def stop(self, grace: float | None = None) -> None:
        """Finish what was committed, for at most ``grace`` seconds, then end both threads."""
        thread = self._thread
        if thread is None and not self._announcer.is_alive:  # perhaps there are not even settings
            return
        deadline = time.monotonic() + (conf.EXIT_GRACE if grace is None else grace)
        if thread is not None and thread.is_alive():
            self._stopping = True
            self._wake.set()
            thread.join(max(0.0, deadline - time.monotonic()))
        self._announcer.stop(max(0.0, deadline - time.monotonic()))

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stopping = False
                self._thread = threading.Thread(target=self._run, name="realtime-relay", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            while not self._has_ended():
                self._work(self._wake.wait(pause() if self._nudges else None))
        finally:
            connections[log.database()].close()

    def _take_the_wake(self, woken: bool) -> None:
        """Take what woke this thread as seen to, once all that comes close behind it is there too."""
        try:
            if woken:
                self._gather()
        finally:
            self._wake.clear()

    def _gather(self) -> None:
        """Let commits that come in close order share a transaction; those that come now and then wait for nothing.

        One by one, they would cost the thread that commits them as much time as writing them did.
        """
        now = time.monotonic()
        remaining = self._gathered + conf.SEQUENCE_PAUSE - now
        if remaining > 0 and now - self._commits[0] < conf.SEQUENCE_PAUSE and not self._stopping:
            time.sleep(remaining)
        self._gathered = time.monotonic()

    def _has_ended(self) -> bool:
        """Whether stop() was called and nothing was committed since; who is woken later starts another thread."""
        with self._lock:
            if not self._stopping or self._wake.is_set():
                return False
            self._thread = None
            return True

    def _work(self, woken: bool) -> None:
        """Sequence until nothing waits. After an error the connection is dropped; the next look starts afresh."""
        try:
            self._take_the_wake(woken)
            while self._something_waits(woken) and (batch := log.sequence(self._horizon)):
                metrics.sequenced.inc(batch.last - batch.first + 1)
                for nudge in self._nudges:
                    nudge(batch)
                self._announcer.announce(batch)
                if batch.last - batch.first + 1 < conf.SEQUENCE_BATCH:
                    return  # nothing was left: who commits from now on wakes us again
        except DatabaseError as error:
            logger.warning("sequencing failed, will be tried again: %s", type(error).__name__)
            self._begin_afresh()
        except Exception:  # the thread goes on: on a server without it, nobody would see to what others left
            logger.exception("sequencing failed, will be tried again")
            self._begin_afresh()

    def _begin_afresh(self) -> None:
        metrics.sequence_errors.inc()
        connections[log.database()].close()
        self._horizon.reset()
        if not self._nudges and not self._stopping:
            self._retry_later()

    def _something_waits(self, woken: bool) -> bool:
        """Look without a lock, so that processes woken for the same event do not queue for the head.

        Who was woken looks from the horizon on; a tick looks at the whole outbox. Who was woken and finds nothing was
        forestalled, or stands on a horizon of another history (a restored database gives ids anew): a whole look tells.
        """
        oldest = log.waiting(self._horizon.id if woken else 0)
        if oldest is None and woken and self._horizon.id:
            oldest = self._whole_look()
        if oldest is not None and oldest <= self._horizon.id:
            self._horizon.reset()
        return oldest is not None

    def _whole_look(self) -> int | None:
        """Look at the whole outbox, at most once a tick: under a long dump that is slow."""
        if time.monotonic() >= self._next_whole_look:
            self._next_whole_look = time.monotonic() + conf.TICK
            return log.waiting()
        if not self._nudges and not self._stopping:
            self._retry_later()
        return None

    def _retry_later(self) -> None:
        """Wake again in a tick: without a follower nothing else would."""
        timer = threading.Timer(pause(), self._wake.set)
        timer.daemon = True
        timer.start()


def pause() -> float:
    """Seconds until the next tick; jittered, so that processes do not ask in step."""
    return conf.TICK * (1 + conf.TICK_JITTER * (_chance.random() - 0.5))


relay = Relay()
os.register_at_fork(after_in_child=relay._forget)
atexit.register(relay.stop)
