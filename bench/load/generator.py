"""The process that holds the clients, on a core of its own, and reads whatever comes, all the time."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Self

from bench.load.native import NativePool, compiler
from bench.load.plain import PlainPool
from bench.load.pool import EVER, SOCKET, Counters, Factory, Records
from bench.machine import TOOLS, on_core

SLICE = 0.01  # seconds of reading between two looks for an order
PATIENCE = 180.0  # seconds for ten thousand connections to open, or for what is waited for to come


@dataclass(frozen=True)
class Opening:
    """How the opening of many connections went. Times in seconds."""

    opened: int
    failed: int
    seconds: float
    complaint: str

    @property
    def rate(self) -> float:
        """Connections a second."""
        return self.opened / self.seconds if self.seconds else 0.0


class State(NamedTuple):
    """What the process has counted, at a moment of the monotonic clock, and the processor's seconds it took."""

    at: float
    cpu: float
    counters: Counters


class Refused(Exception):
    """Connections that should have been opened were not."""


class Load:
    """The load generator, beside this process. Use as a context manager."""

    def __init__(
        self, port: int, *, room: int, records: int = 4_000_000, hello: bytes = b"", cursors: bool = False
    ) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        options = {"room": room, "records": records, "hello": hello, "cursors": cursors}
        self._process = context.Process(target=_work, args=(theirs, port, options), daemon=True)

    def __enter__(self) -> Self:
        with on_core("load"):
            self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()

    def open(self, requests: Sequence[bytes], *, kind: int = SOCKET, greetings: int = 0, at_once: int = 64) -> Opening:
        """Open a connection for each request and return when all are open. Raises Refused when one is not."""
        done: Opening = self._ask("open", list(requests), kind, greetings, at_once)
        if done.opened < len(requests):
            raise Refused(
                f"{len(requests) - done.opened} of {len(requests)} not opened: {done.complaint or 'no answer'}"
            )
        return done

    def wait(self, marks: int, seconds: float = PATIENCE) -> int:
        """Wait until that many marks have come in all; return how many have."""
        return int(self._ask("wait", marks, seconds))

    def send(self, connection: int, data: Sequence[bytes]) -> list[float]:
        """Write to a connection; return when each piece was."""
        times: list[float] = self._ask("send", connection, list(data))
        return times

    def state(self) -> State:
        """What has been counted so far."""
        state: State = self._ask("state")
        return state

    def records(self) -> Records:
        """The marks that came since they were last taken."""
        records: Records = self._ask("records")
        return records

    def cursors(self, count: int) -> list[str]:
        """The newest cursor of each of the first connections."""
        found: list[str] = self._ask("cursors", count)
        return found

    def cut(self, first: int, last: int) -> None:
        """Break connections off."""
        self._ask("cut", first, last)

    def _ask(self, order: str, *arguments: Any) -> Any:
        self._pipe.send((order, arguments))
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def pool_factory() -> Factory:
    """The fastest pool that this machine can have."""
    if compiler():
        return partial(NativePool, TOOLS)
    print("NO C COMPILER: the load generator runs in Python and limits what fast servers can show", file=sys.stderr)
    return PlainPool


def _work(pipe: Connection, port: int, options: dict[str, Any]) -> None:
    """Obey orders until the pipe is closed; read in between."""
    worker = _Worker(pool_factory()(port, **options))
    try:
        while True:
            while not pipe.poll():
                worker.pool.run(SLICE)
            order, arguments = pipe.recv()
            try:
                pipe.send(getattr(worker, order)(*arguments))
            except Exception as error:
                pipe.send(error)
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return


class _Worker:
    def __init__(self, pool: Any) -> None:
        self.pool = pool

    def open(self, requests: list[bytes], kind: int, greetings: int, at_once: int) -> Opening:
        before, begin = self.pool.counters(), time.monotonic()
        for request in requests:
            self.pool.add(request, kind=kind, greetings=greetings)
        self.pool.run(PATIENCE, opening=True, at_once=at_once)
        took, after = time.monotonic() - begin, self.pool.counters()
        return Opening(after.opened - before.opened, after.failed - before.failed, took, self.pool.complaint())

    def wait(self, marks: int, seconds: float) -> int:
        self.pool.run(seconds, marks=marks)
        return int(self.pool.counters().marks)

    def send(self, connection: int, data: list[bytes]) -> list[float]:
        times = []
        for piece in data:
            times.append(time.monotonic())
            if not self.pool.send(connection, piece):
                raise Refused("the publisher's connection is closed or full")
        return times

    def state(self) -> State:
        return State(time.monotonic(), time.process_time(), self.pool.counters())

    def records(self) -> Records:
        records: Records = self.pool.records()
        self.pool.forget()
        return records

    def cursors(self, count: int) -> list[str]:
        return [self.pool.cursor(number) for number in range(count)]

    def cut(self, first: int, last: int) -> None:
        self.pool.cut(first, last)


__all__ = ["EVER", "Load", "Opening", "Refused", "State"]
