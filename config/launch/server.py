"""The production server: uvicorn's settings, and what one worker does with them.

Separate from the commands that start it, so that the demo, production and the tests run one and the same.
"""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import uvicorn

from config.launch import measuring
from config.launch.workers import Check, Workers

# The protocol's own limit is 1 MiB; a little above it, so that the refusal is ours and has a code.
LARGEST_FRAME = 1024 * 1024 + 64 * 1024
BACKLOG = 4096
KEEP_ALIVE = 65  # seconds; longer than the 60 after which common proxies close an idle connection
GARBAGE = (50_000, 20, 100)  # new objects, and rounds, before cycles are looked for among the young, middle and old


class PortInUse(Exception):
    """Another program listens where this one should."""


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How to serve. ``drain`` is the seconds that open connections get at the end."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    drain: int = 10
    access_log: bool = False
    certificate: str = ""
    key: str = ""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at the address. Raises PortInUse; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortInUse(f"cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.") from error
    return listener


def serve(
    listener: socket.socket, options: ServerOptions, *, ready: Callable[[str], None], check: Check | None = None
) -> bool:
    """Serve until SIGINT or SIGTERM; return whether it ever did. Calls ``ready(url)`` once it answers.

    Raises Unfit when ``check``, which each worker asks at the start, said why it cannot.
    """
    host, port = listener.getsockname()[:2]
    scheme = "https" if options.certificate else "http"
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
    workers = Workers(partial(work, options), listener, count=options.workers, drain=options.drain, check=check)
    with measuring.together():
        return workers.run(partial(ready, url))


def work(options: ServerOptions, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve in this process until SIGTERM."""
    logging.basicConfig(level=logging.WARNING)  # until Django's settings are loaded
    _Server(_config(options), ready).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _spare_the_collector()
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, having sent streams away: to uvicorn they are answers that take long, to be waited for and then cut."""
        from realtime.conf import conf
        from realtime.hubs import drain  # needs Django, which is set up with the application

        draining = asyncio.create_task(drain(min(conf.DRAIN_SPREAD, (self.config.timeout_graceful_shutdown or 0) / 2)))
        await super().shutdown(sockets)
        draining.cancel()


def _spare_the_collector() -> None:
    """Let Python look for cycles seldom, and never among what was loaded: with ten thousand clients it takes long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def _config(options: ServerOptions) -> uvicorn.Config:
    return uvicorn.Config(
        "config.asgi:application",
        loop="uvloop",
        http="realtime.server.door:Door",
        ws="realtime.server.websocket:WebSocketProtocol",
        ws_max_size=LARGEST_FRAME,
        # The heartbeat is the protocol's own.
        ws_ping_interval=None,
        # Channels' router knows no lifespan.
        lifespan="off",
        # Django's settings configure the logs, with the filter that hides credentials.
        log_config=None,
        access_log=options.access_log,
        server_header=False,
        # The application reads them itself, so that they mean the same on every server.
        proxy_headers=False,
        ssl_certfile=options.certificate or None,
        ssl_keyfile=options.key or None,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=options.drain,
    )
