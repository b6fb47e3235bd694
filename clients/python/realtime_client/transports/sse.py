"""The line over server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from ..errors import LineEnded
from ..http import refused_by
from ..messages import Message, parse
from .line import Line


class StreamLine(Line):
    """One long answer. The server speaks at least every 15 s, so a silent one is held back on its way."""

    name = "sse"
    blocked_when_silent = True
    fixed_topics = True

    async def open(self) -> None:
        """Ask for the stream; return when its head has come."""
        self._stack = AsyncExitStack()
        around = self._around
        stream = around.http.client.stream(
            "GET",
            "stream",
            params=around.query(around.cursor()),
            headers=await around.http.headers(),
            timeout=httpx.Timeout(around.timing.http, read=None),
        )
        try:
            response = await self._stack.enter_async_context(stream)
            if response.is_error:
                await response.aread()
                raise refused_by(response)
        except httpx.HTTPError as error:
            raise LineEnded(reason=f"{type(error).__name__}: {error}") from error
        self._events = EventSource(response).aiter_sse()

    async def receive(self) -> Message:
        """Wait for the next message; an id alone moves the cursor, as a Ping does."""
        while True:
            try:
                event = await anext(self._events)
            except StopAsyncIteration:
                raise LineEnded(reason="the stream ended") from None
            except (httpx.HTTPError, SSEError) as error:
                raise LineEnded(reason=f"{type(error).__name__}: {error}") from error
            message = _message(event)
            if message is not None:
                return message

    async def send(self, command: Message) -> Message | None:
        """Send it by a request of its own."""
        return await self._around.http.command(command)

    async def close(self) -> None:
        """Close the stream."""
        if isinstance(events := getattr(self, "_events", None), AsyncGenerator):
            await events.aclose()
        if stack := getattr(self, "_stack", None):
            await stack.aclose()


def _message(event: ServerSentEvent) -> Message | None:
    if event.event == "Close":
        end = json.loads(event.data)
        raise LineEnded(end["code"], end.get("retry_after"), reason=end.get("message", ""))
    if event.data:
        return parse(event.data)
    return {"type": "Ping", "cursor": event.id} if event.id else None
