"""The application of one WebSocket: the task it runs in, and the rest it may take while its client says nothing.

Apart from the protocol class, which knows what is read and written.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.server import ServerState

from realtime.server.asgi import Message, scope_of
from realtime.server.connection import Connection
from realtime.server.handshake import Request
from realtime.server.inbox import Inbox

logger = logging.getLogger("uvicorn.error")

NORMAL, FAILED, RESTARTING = 1000, 1011, 1012

GoOn = Callable[[Callable[[], Awaitable[Message]]], Awaitable[None]]
"""What an application that rests does when there is something to receive."""


class Running(Connection):
    """A connection with the application that serves it."""

    __slots__ = ("_app_state", "_go_on", "_inbox", "_server")

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(config, loop)
        self._app_state = app_state
        self._server = server_state
        self._inbox = Inbox(config.ws_max_queue)
        self._go_on: GoOn | None = None  # while the application rests

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Take what the application says."""

    @abstractmethod
    def leave(self, code: int) -> None:
        """End what the application has left."""

    def start(self, request: Request) -> None:
        """Begin to run the application."""
        extensions = {"websocket.http.response": {}, "realtime.wire": self, "realtime.rest": {}}
        scope = scope_of(request, self._transport, self._config, self._app_state, extensions)
        self._inbox.put({"type": "websocket.connect"})
        self._run_task(partial(self._config.loaded_app, scope, self._inbox.receive, self.send))

    def rest(self, go_on: GoOn) -> bool:
        """Let the application return without an end of the connection; False if there is something to receive first.

        It is then to return without waiting for anything. As soon as something comes, the last message included, it
        goes on in another task, with what ``go_on`` returns for ``receive``. That a server can do this is said by
        ``realtime.rest`` among the scope's extensions; it is asked of what is there as ``realtime.wire``. Raises
        RuntimeError after the last message.
        """
        if not self._inbox.rest(self):
            return False
        self._go_on = go_on
        return True

    def wake(self) -> None:
        """Have the application go on."""
        go_on, self._go_on = self._go_on, None
        assert go_on is not None, "only who rests is woken"
        self._run_task(partial(go_on, self._inbox.receive))

    def _run_task(self, begin: Callable[[], Awaitable[None]]) -> None:
        context = contextvars.Context() if self._config.reset_contextvars else None
        task = self._loop.create_task(self._run(begin), context=context)
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    async def _run(self, begin: Callable[[], Awaitable[None]]) -> None:
        code: int | None = RESTARTING  # a cancelled task is a server that ends
        try:
            running = begin()
            del begin  # with the scope: the application keeps what it needs of it
            await running
            code = NORMAL if self._go_on is None else None
        except ClientDisconnected:
            code = NORMAL
        except Exception:
            code = FAILED
            logger.exception("Exception in ASGI application\n")
        finally:
            if code is not None:
                self.leave(code)
