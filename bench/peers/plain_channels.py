"""Plain Channels, on Daphne with the core layer and on uvicorn with the pubsub layer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version

from bench.load.generator import Load
from bench.load.wire import text_frame, websocket_request
from bench.peers.server import Server
from bench.program import Program

APPLICATION = "bench.peers.channels_guide:application"


class PlainChannels(Server):
    """The guide's chat."""

    layer: str
    most_events = 6
    envelope = len('{"message": ""}')

    def requests(self, count: int) -> list[bytes]:
        return [websocket_request("/ws/chat/bench/", {"Origin": "http://127.0.0.1"})] * count

    def publish(self, load: Load, marks: Sequence[int]) -> dict[int, float]:
        frames = [text_frame(b'{"message": "%s"}' % self.message(mark)) for mark in marks]
        return dict(zip(marks, load.send(0, frames), strict=True))

    def _program(self, *command: str) -> Program:
        return Program([sys.executable, "-m", *command, APPLICATION], self.port, {"BENCH_LAYER": self.layer})


class OnDaphne(PlainChannels):
    """Daphne and ``channels_redis.core``."""

    name = "Channels, Daphne, core layer"
    layer = "channels_redis.core.RedisChannelLayer"

    def start(self) -> Program:
        return self._program("daphne", "--verbosity", "0", "--bind", "127.0.0.1", "--port", str(self.port))

    def version(self) -> str:
        return f"Channels {version('channels')}, channels-redis {version('channels-redis')}, Daphne {version('daphne')}"


class OnUvicorn(PlainChannels):
    """uvicorn and ``channels_redis.pubsub``."""

    name = "Channels, uvicorn, pubsub layer"
    layer = "channels_redis.pubsub.RedisPubSubChannelLayer"

    def start(self) -> Program:
        quiet = ["--no-access-log", "--log-level", "warning", "--lifespan", "off", "--backlog", "4096"]
        return self._program("uvicorn", "--host", "127.0.0.1", "--port", str(self.port), *quiet)

    def version(self) -> str:
        layer = f"channels-redis {version('channels-redis')}"
        return f"Channels {version('channels')}, {layer}, uvicorn {version('uvicorn')}"
