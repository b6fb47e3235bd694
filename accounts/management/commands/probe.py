"""``manage.py probe websocket --user alice``: connect as a user does, show what comes and how long it took.

Over one transport alone, so that it tells whether that one works from here. The exit code is for monitoring:

0   connected and, with --count, got that many events in time
1   connected, and fewer events than --count came in --seconds
2   never connected, was refused, or there is no such user
"""

from __future__ import annotations

import asyncio
import time
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from datetime import UTC, datetime
from statistics import median
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.authentication import issue_access
from accounts.models import User
from clients.python.realtime_client import Event, RealtimeClient, RealtimeError, State, Status

TOO_FEW, UNREACHED = 1, 2
CONNECT_WITHIN = 15.0  # seconds, unless --seconds is less


def above_zero(text: str) -> float:
    """A number above zero, as an argument."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no number above zero")
    return number


def whole(text: str) -> int:
    """A whole number above zero, as an argument."""
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)


class Command(BaseCommand):
    help = "Connect to a server as a user, over one transport, and show what comes, with its latency."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, epilog=__doc__, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("transport", choices=["websocket", "sse", "polling"])
        parser.add_argument("--user", required=True, help="name of the user to connect as")
        parser.add_argument("--url", default="http://127.0.0.1:8012", help="of the server (default: the demo's)")
        parser.add_argument("--seconds", type=above_zero, help="how long to listen (default: until Ctrl-C)")
        parser.add_argument("--count", type=whole, help="end after this many events")
        parser.add_argument("--topic", action="append", default=[], help="follow this one too; may be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"there is no user {options['user']!r}", returncode=UNREACHED)
        probe = Probe(self, user, options)
        try:
            asyncio.run(probe.run())
        except KeyboardInterrupt:
            pass
        except RealtimeError as error:
            raise CommandError(f"{error.code}: {error}", returncode=UNREACHED) from error
        probe.judge()


class Probe:
    """One connection from its start to its end, and what came of it."""

    def __init__(self, command: BaseCommand, user: User, options: dict[str, Any]) -> None:
        self._out = command.stdout
        self._user = user
        self._transport: str = options["transport"]
        self._url: str = options["url"]
        self._seconds: float | None = options["seconds"]
        self._count: int | None = options["count"]
        self._topics: list[str] = options["topic"]
        self._latencies: list[float] = []
        self._events = 0
        self._live = asyncio.Event()
        self._why = "no answer"

    async def run(self) -> None:
        """Connect and listen, as long as was asked. Raises RealtimeError when it is refused."""
        self._began = time.monotonic()
        client = RealtimeClient(
            self._url,
            get_token=lambda refresh: str(issue_access(self._user)),
            transports=[self._transport],
            on_status=self._changed,
        )
        async with client:
            listening = asyncio.create_task(self._listen(client))
            await self._until_live(listening)
            for topic in self._topics:
                await client.subscribe(topic)
            done, _ = await asyncio.wait({listening}, timeout=self._seconds)
            listening.cancel()
            for task in done:
                task.result()

    def judge(self) -> None:
        """Say what came of it. Raises CommandError with the exit code when it was not what was asked for."""
        if not self._live.is_set():
            raise CommandError(f"not connected to {self._url}: {self._why}", returncode=UNREACHED)
        spread = ""
        if self._latencies:
            spread = f", latency median {median(self._latencies):.1f} ms, longest {max(self._latencies):.1f} ms"
        self._say(f"{self._events} events over {self._transport}{spread}")
        if self._count is not None and self._events < self._count:
            raise CommandError(f"{self._count} events were expected", returncode=TOO_FEW)

    async def _until_live(self, listening: asyncio.Task[None]) -> None:
        waiting = asyncio.create_task(self._live.wait())
        within = min(CONNECT_WITHIN, self._seconds or CONNECT_WITHIN)
        await asyncio.wait({waiting, listening}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if listening.done():
            listening.result()
        if not self._live.is_set():
            listening.cancel()
            raise RealtimeError("unreachable", f"not connected to {self._url} in {within:g} s: {self._why}")

    async def _listen(self, client: RealtimeClient) -> None:
        async for event in client:
            self._show(event)
            if self._events == self._count:
                return

    def _show(self, event: Event) -> None:
        self._events += 1
        took = ""
        # What was read back from the log is as old as it is; by polling everything is, and nothing older is asked for.
        if event.timestamp and (not event.replayed or self._transport == "polling"):
            sent = datetime.fromisoformat(event.timestamp)
            self._latencies.append((datetime.now(UTC) - sent).total_seconds() * 1000)
            took = f"{self._latencies[-1]:.1f} ms"
        seq = "" if event.seq is None else f"#{event.seq}"
        self._say(f"{took:>10}  {event.type:<22} {event.topic or ''} {seq}".rstrip())

    def _say(self, line: str) -> None:
        self._out.write(line)
        self._out.flush()  # also into a pipe: what comes is shown as it comes

    def _changed(self, status: Status) -> None:
        if status.state == State.LIVE and not self._live.is_set():
            self._say(f"live over {status.transport} after {(time.monotonic() - self._began) * 1000:.0f} ms")
            self._live.set()
        elif status.state == State.WAITING:
            self._why = f"the line ended with {status.code}"
            if self._live.is_set():
                self._say(f"{self._why}; trying again in {status.retry_in:.1f} s")
