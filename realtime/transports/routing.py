"""Which application answers at an address, for connections that last for hours.

Channels' own routers work as well. These keep nothing of a connection once it is handed over: with ten thousand of
them open, the frames of two routers and the scopes they hold would be a quarter of what each costs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.urls import URLPattern

Application = Callable[[Any, Any, Any], Awaitable[None]]


PATHS_KEPT = 1000  # for which it is known where they lead
LONGEST_KEPT = 200  # letters of such a path: whoever makes up paths may fill the room for them, and no more


class Routes:
    """The application whose pattern is the first to match the path. What it takes from the path is in ``url_route``."""

    def __init__(self, routes: Sequence[URLPattern]) -> None:
        self._routes = tuple(routes)
        self._lead = lru_cache(maxsize=PATHS_KEPT)(self._look_up)

    # Not a coroutine function: what it returns is awaited by the caller, and this frame is gone.
    def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        """Hand a connection over. Raises ValueError when no pattern matches."""
        path = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        application, args, kwargs = (self._lead if len(path) <= LONGEST_KEPT else self._look_up)(path)
        return application({**scope, "url_route": {"args": args, "kwargs": {**kwargs}}}, receive, send)

    def _look_up(self, path: str) -> tuple[Application, tuple[Any, ...], dict[str, Any]]:
        for route in self._routes:
            match = route.pattern.match(path)
            if match is not None:
                application: Any = route.callback
                return application, match[1], match[2]
        raise ValueError(f"there is no route for {path!r}")


def by_protocol(applications: Mapping[str, Application]) -> Application:
    """Return the ASGI application that hands each connection to the one for its type."""

    # A coroutine function, though its frame is kept for as long as each connection lasts: hypercorn takes whatever is
    # none, or is only marked as one, for a WSGI application.
    async def application(scope: Any, receive: Any, send: Any) -> None:
        running = applications[scope["type"]](scope, receive, send)
        del scope  # whoever needs it has it
        await running

    return application
