"""What carries messages: WebSocket, server-sent events, polling. Each knows one way, and nothing of the others."""

from __future__ import annotations

from .line import Line, Surroundings
from .polling import PollingLine
from .sse import StreamLine
from .websocket import SocketLine

LINES: dict[str, type[Line]] = {"websocket": SocketLine, "sse": StreamLine, "polling": PollingLine}
"""Best first."""

__all__ = ["LINES", "Line", "Surroundings"]
