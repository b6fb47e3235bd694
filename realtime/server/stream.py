"""One GET and its answer: the short way out of its body, and the rest its application may take while it lasts.

Apart from the protocol class, which knows what a request is. uvicorn's cycle answers; this stands in front of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from realtime.server.limits import limits
from realtime.server.running import GoOn
from realtime.server.wire import Wire


class Signal:
    """An event as asyncio has it, without the queue of who waits: mostly nobody does. ``then`` is called once."""

    __slots__ = ("_is_set", "_waiting", "then")

    def __init__(self, is_set: bool = False) -> None:
        self._is_set = is_set
        self._waiting: list[asyncio.Future[None]] | None = None
        self.then: Callable[[], None] | None = None

    def is_set(self) -> bool:
        """Whether it happened."""
        return self._is_set

    def set(self) -> None:
        """Wake everybody who waits."""
        self._is_set = True
        waiting, self._waiting = self._waiting, None
        for future in waiting or ():
            if not future.done():
                future.set_result(None)
        then, self.then = self.then, None
        if then is not None:
            then()

    def clear(self) -> None:
        """Wait for the next time."""
        self._is_set = False

    async def wait(self) -> bool:
        """Return once it happens, or at once if it did."""
        if not self._is_set:
            future = asyncio.get_running_loop().create_future()
            self._waiting = [*(self._waiting or ()), future]
            await future
        return True


class Flow(FlowControl):
    """uvicorn's, with a signal in the place of its event."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        self.write_paused = False
        self._is_writable_event = Signal(is_set=True)  # type: ignore[assignment]


class StreamWire(Wire):
    """The way out to the client of one request, and what runs its application in the cycle's stead.

    ``start`` begins a task for an application, with this as its cycle; ``forget`` is called when the answer has begun
    and the request is needed no more.
    """

    __slots__ = ("_cycle", "_forget", "_go_on", "_is_awake", "_signal", "_start")

    def __init__(
        self, cycle: RequestResponseCycle, start: Callable[[Any, Any], None], forget: Callable[[], None]
    ) -> None:
        super().__init__()
        self._cycle = cycle
        self._start = start
        self._forget = forget
        self._go_on: GoOn | None = None  # while the application rests
        self._is_awake = False  # for good: the server ends
        # Set for whatever ``receive`` would return: of a request that waited for the one before, that has come already.
        self._signal = Signal(is_set=cycle.message_event.is_set())
        cycle.message_event = self._signal  # type: ignore[assignment]

    async def run_asgi(self, app: Any) -> None:
        """Run the application, or what it goes on with after a rest; once it ends, so does the cycle."""
        cycle = self._cycle
        begin: Callable[[], Awaitable[Any]] = partial(app, cycle.scope, cycle.receive, self.send)
        del app
        error: BaseException | None = None
        result: Any = None
        try:
            running = begin()
            del begin  # with the scope: the application keeps what it needs of it
            result = await running
        except BaseException as raised:
            error, self._go_on, self._signal.then = raised, None, None
        if self._go_on is None:
            self._end()
            await cycle.run_asgi(partial(_ended, result, error))

    async def send(self, message: Any) -> None:
        """Pass on what the application sends."""
        await self._cycle.send(message)
        if message["type"] == "http.response.start":
            if self._cycle.chunked_encoding and not self._cycle.disconnected:
                self._forget()
                self.attach(self._cycle.transport)
                self.open()
        elif self._cycle.response_complete:
            self._end()

    def rest(self, go_on: GoOn) -> bool:
        """Let the application return without an end of the answer; False if there is something to receive first.

        As a WebSocket's may: see ``Running.rest``. Only once its answer has begun.
        """
        if self.closed or self._is_awake or self._signal.is_set():
            return False
        self._go_on = go_on
        self._signal.then = self.wake
        return True

    def wake(self) -> None:
        """Have the application go on, if it rests."""
        go_on, self._go_on, self._signal.then = self._go_on, None, None
        if go_on is not None:  # taken here: whoever wakes it again, before the task has begun, finds it awake
            self._start(self, partial(_awake, go_on))

    def stay_awake(self) -> None:
        """Have the application run until it ends: the server does, and waits for tasks alone."""
        self._is_awake = True
        self.wake()

    def lost(self) -> None:
        """Forget the connection, and have the application hear of that."""
        super().lost()
        # uvicorn says so to the newest request alone, which may be one that waits for this.
        self._cycle.disconnected = True
        self._signal.set()

    def _end(self) -> None:
        """Give the connection back to uvicorn; end it, if it should be closed and its client takes nothing."""
        if self.closed:
            return
        transport, is_whole = self._transport, self._cycle.response_complete
        self.shut()
        if self._is_awake and not is_whole:
            transport.abort()  # the server has ended its task, and does not wait for what its client may take
        elif transport.is_closing() or not is_whole:
            asyncio.get_running_loop().call_later(limits().CLOSE_TIMEOUT, abort_closing, transport)
        else:
            transport.set_write_buffer_limits()


def abort_closing(transport: asyncio.Transport) -> None:
    """End a connection that was to be closed."""
    if transport.is_closing():
        transport.abort()


def _awake(go_on: GoOn, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    """Be the application that goes on after a rest."""
    return go_on(receive)


async def _ended(result: Any, error: BaseException | None, *_: Any) -> Any:
    """Be the application that ended so: what follows from that is uvicorn's to say."""
    if error is not None:
        raise error
    return result
