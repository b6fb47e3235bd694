"""Worker processes that answer on one socket: started together, replaced when one dies, ended together.

Not uvicorn's own supervisor: it starts a worker that cannot even load again for ever, waits without end for one
that does not stop, and leaves workers behind when it is killed. Each worker here says when it is ready, and the
kernel ends it with this process.
"""

import multiprocessing
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from config.launch import measuring
from config.services.supervisor import die_with
from realtime import process

Work = Callable[[socket.socket, Callable[[], None]], None]
"""What a worker does until it gets SIGTERM: serve the socket, and call the second argument once it does."""
Check = Callable[[], str | None]
"""Why a worker cannot serve here, if it cannot."""

KILL_AFTER = 5.0  # beyond the drain, for a worker that hangs in a thread
PAUSE = 1.0  # before a worker is started in place of one that died before it was ready
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Unfit(Exception):
    """What the workers were to serve is not fit to be served. The text says why."""


class Worker:
    """One worker process, and the pipe on which it says that it is ready, or why it will never be."""

    def __init__(self, work: Work, listener: socket.socket, family: str, place: int, check: Check | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.said, says = context.Pipe(duplex=False)
        self.is_ready = False
        self.refusal = ""
        arguments = (work, listener, says, os.getpid(), family, place, check)
        self.process: SpawnProcess = context.Process(target=_run, args=arguments)
        self.process.start()
        says.close()

    def hear(self) -> None:
        """Take note of what the worker has said, if it has said anything."""
        if self.said.closed or not self.said.poll():
            return
        try:
            said = self.said.recv()
        except EOFError:
            self.said.close()
            return
        if isinstance(said, str):
            self.refusal = said
        else:
            self.is_ready = True

    def end(self, deadline: float) -> None:
        """Wait for a worker that was told to stop, and no longer than until ``deadline``."""
        self.process.join(max(0.0, deadline - time.monotonic()))
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.said.close()


class Workers:
    """``count`` workers at ``work``. ``run()`` keeps them going until this process is told to stop.

    Each of the first asks ``check`` before it begins. Those that replace them do not: a worker that was killed while
    the database was away must come back all the same.
    """

    def __init__(
        self, work: Work, listener: socket.socket, *, count: int, drain: float, check: Check | None = None
    ) -> None:
        self._work = work
        self._listener = listener
        self._count = count
        self._drain = drain
        self._check = check
        self._workers: list[Worker] = []
        self._were_ready = False
        self._family = secrets.token_hex(8)  # the first name of all that ever run here

    def run(self, ready: Callable[[], None]) -> bool:
        """Serve until SIGINT or SIGTERM. Calls ``ready()`` once all workers are.

        Returns False when a worker ended before all of them had ever been ready: another try would end alike. Raises
        Unfit when that was because of the check.
        """
        with _stop_signals() as stopped:
            self._workers = [self._start(place) for place in range(self._count)]
            try:
                while not self._wait(stopped):
                    self._hear(ready)
                    if not self._replace_the_dead():
                        return False
            finally:
                self._stop()
        return True

    def _start(self, place: int) -> Worker:
        return Worker(self._work, self._listener, self._family, place, None if self._were_ready else self._check)

    def _wait(self, stopped: socket.socket) -> bool:
        """Wait for something to happen; return whether it is the signal to stop."""
        happened = wait([stopped, *(w.process.sentinel for w in self._workers), *self._talking()])
        return stopped in happened

    def _talking(self) -> list[Connection]:
        return [worker.said for worker in self._workers if not worker.said.closed]

    def _hear(self, ready: Callable[[], None]) -> None:
        for worker in self._workers:
            worker.hear()
        if not self._were_ready and all(worker.is_ready for worker in self._workers):
            self._were_ready = True
            ready()

    def _replace_the_dead(self) -> bool:
        for place, worker in enumerate(self._workers):
            if worker.process.is_alive():
                continue
            if not self._were_ready:
                worker.hear()  # its last word may have come a moment ago
                if worker.refusal:
                    raise Unfit(worker.refusal)
                return False
            worker.end(time.monotonic())
            if not worker.is_ready:
                time.sleep(PAUSE)
            measuring.leave_place(place)
            self._workers[place] = self._start(place)
        return True

    def _stop(self) -> None:
        # While anybody holds the socket, the kernel goes on taking connections that nobody would answer.
        self._listener.close()
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + self._drain + KILL_AFTER
        for worker in self._workers:
            worker.end(deadline)


@contextmanager
def _stop_signals() -> Iterator[socket.socket]:
    """Give a socket that becomes readable when this process is told to stop."""

    def note(signum: int, frame: FrameType | None) -> None:
        wake.send(b"!")

    readable, wake = socket.socketpair()
    wake.setblocking(False)
    before = {signum: signal.signal(signum, note) for signum in STOP_SIGNALS}
    with readable, wake:
        try:
            yield readable
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)


def _run(
    work: Work,
    listener: socket.socket,
    says: Connection,
    parent: int,
    family: str,
    place: int,
    check: Check | None,
) -> None:
    """Be a worker process, in the name of whoever had that place before."""
    die_with(parent)
    process.be(f"{family}-{place}")
    measuring.take_place(place)

    def ready() -> None:
        says.send(True)
        says.close()

    if check is not None and (refusal := check()):
        says.send(refusal)
        sys.exit(1)
    work(listener, ready)
