"""Telling other processes, over the channel layer, that the log grew.

Apart from sequencing and never ahead of it: a slow, frozen or dead Redis costs latency elsewhere and nothing here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections import deque
from contextlib import suppress
from typing import Any

from channels.layers import InMemoryChannelLayer, channel_layers

from realtime.conf import conf
from realtime.metrics import metrics
from realtime.protocol.entry import Batch, encode_batch
from realtime.seal import seal

logger = logging.getLogger("realtime.relay")

MESSAGE_TYPE = "realtime.batch"


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that looks names up in its own thread: while Python exits, the default executor refuses work."""

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        return socket.getaddrinfo(*args, **kwargs)


class Announcer:
    """A bounded queue of batches and the thread that sends them, oldest dropped first when it is full."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def announce(self, batch: Batch) -> None:
        """Have the batch sent soon; a large one names its places only. Returns at once."""
        payload = encode_batch(batch)
        if len(payload) > conf.ANNOUNCE_BYTES:
            payload = encode_batch(Batch(batch.epoch, batch.first, batch.last))
        self.tell({"type": MESSAGE_TYPE, "batch": payload})

    def tell(self, message: dict[str, Any]) -> None:
        """Have a message sent to every process soon. Returns at once."""
        with self._changed:
            if len(self._waiting) >= conf.ANNOUNCE_QUEUE:
                self._waiting.popleft()
                metrics.announcements.labels("dropped").inc()
            self._waiting.append(message)
            self._changed.notify()
            if self._thread is None or not self._thread.is_alive():
                self._stopping = False
                self._thread = threading.Thread(target=self._run, name="realtime-announcer", daemon=True)
                self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether there may be something that was not sent yet."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def stop(self, grace: float) -> None:
        """Send what waits for at most ``grace`` seconds, then end."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        with self._changed:
            self._stopping = True
            self._changed.notify()
        thread.join(grace)

    def _run(self) -> None:
        layer = _fresh_layer()
        if layer is None:
            self._drop_all()
            return
        loop = _Loop()
        try:
            while (message := self._next()) is not None:
                if not loop.run_until_complete(_send(layer, message)):
                    self._pause()
            loop.run_until_complete(_close(layer))
        finally:
            loop.close()

    def _next(self) -> dict[str, Any] | None:
        with self._changed:
            while not self._waiting and not self._stopping:
                self._changed.wait()
            if self._waiting:
                return self._waiting.popleft()
            self._thread = None  # whoever comes from now on starts another
            return None

    def _drop_all(self) -> None:
        with self._changed:
            self._waiting.clear()
            self._thread = None

    def _pause(self) -> None:
        """Leave the layer alone for a while after a failure; being stopped ends the pause."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, conf.ANNOUNCE_PAUSE)
            if self._stopping:
                self._waiting.clear()


async def _send(layer: Any, message: dict[str, Any]) -> bool:
    try:
        async with asyncio.timeout(conf.ANNOUNCE_TIMEOUT):
            await layer.group_send(conf.GROUP, seal(message))
    except Exception as error:  # whatever a layer raises: the log has the events, other processes' ticks find them
        metrics.announcements.labels("failed").inc()
        logger.warning("announcement failed, others will hear of it at their tick: %s", type(error).__name__)
        return False
    metrics.announcements.labels("sent").inc()
    return True


async def _close(layer: Any) -> None:
    with suppress(Exception):  # whatever a layer raises for connections that are broken: they end with this thread
        if hasattr(layer, "close_pools"):
            await layer.close_pools()
        elif hasattr(layer, "flush"):
            await layer.flush()


def _fresh_layer() -> Any:
    """A channel layer of this thread's own, as connections belong to a loop; None where nobody else would hear.

    The in-memory layer reaches no other process, and the nudge has told this one.
    """
    if "default" not in channel_layers.configs:
        return None
    with _importing:
        layer = channel_layers.make_backend("default")
    return None if isinstance(layer, InMemoryChannelLayer) else layer


# A fork in the middle of an import leaves the child a module that nobody finishes: it waits for this one.
_importing = threading.Lock()
os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release)
