"""From commit to socket: transactions saved at a steady rate, and the moment each reaches a WebSocket.

The writers, the server's workers and the client are processes of their own; the clock is the machine's one. A writer
that is still busy with one transaction when the next is due saves less often than it should: the figures then belong
to a lower rate, and the report says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from threading import Barrier, Event
from uuid import UUID

import websockets

from bench.servers import DATABASES, started

WARM_UP = 50
"""Saves of each writer before those that count: imports, connections, plans."""
REACHED = 0.95
"""Share of the rate below which it counts as missed."""


def arrivals(url: str, token: str, count: int, ready: Event) -> dict[str, float]:
    """Connect, say so, wait for ``count`` transactions, and return when each came."""
    return asyncio.run(_arrivals(url, token, count, ready))


async def _arrivals(url: str, token: str, count: int, ready: Event) -> dict[str, float]:
    seen: dict[str, float] = {}
    async with websockets.connect(f"{url}/ws", additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        await socket.recv()
        ready.set()
        async with asyncio.timeout(60 + count / 10):
            while len(seen) < count:
                frame = json.loads(await socket.recv())
                if frame["type"] == "TransactionUpdate":
                    seen[frame["data"]["transaction_id"]] = time.monotonic()
    return seen


def write(account_id: UUID, user_id: UUID, count: int, rate: float, all_ready: Barrier) -> dict[str, float]:
    """Save ``count`` transactions on an account, ``rate`` a second, and return when each was committed."""
    import django

    django.setup()
    from django.db import connections

    from accounts.models import User
    from ledger.models import Account, Transaction
    from realtime.relay import relay

    account, user = Account.objects.get(pk=account_id), User.objects.get(pk=user_id)
    committed: dict[str, float] = {}

    def save() -> None:
        row = Transaction(account=account, amount="-1.00", description="Coffee", created_by=user)
        row.save()
        committed[str(row.pk)] = time.monotonic()

    for _ in range(WARM_UP):
        save()
    committed.clear()
    all_ready.wait(60)
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        save()
    relay.stop(30)
    connections.close_all()
    return committed


def measure(database: str, rate: float, saves: int, workers: int, writers: int) -> bool:
    """Print the distribution of the latency, in milliseconds; return whether it is that of the rate asked for."""
    context = get_context("spawn")
    with started(database):
        from rest_framework_simplejwt.tokens import RefreshToken

        from bench.people import an_account
        from ledger.models import Account
        from tests.live import LiveServer

        account, user = an_account()
        more = [
            Account.objects.create(family=account.family, owner=user, name=f"{number}", currency="EUR")
            for number in range(1, writers)
        ]
        token = str(RefreshToken.for_user(user).access_token)
        each = saves // writers
        with (
            LiveServer(workers=workers) as server,
            context.Manager() as manager,
            ProcessPoolExecutor(1 + writers, mp_context=context) as pool,
        ):
            ready, all_ready = manager.Event(), manager.Barrier(writers)
            waiting = pool.submit(arrivals, server.ws_url, token, writers * (WARM_UP + each), ready)
            ready.wait(60)
            writing = [pool.submit(write, one.pk, user.pk, each, rate / writers, all_ready) for one in (account, *more)]
            committed = {pk: at for one in writing for pk, at in one.result().items()}
            came = waiting.result()
    return report(f"{database}, {workers} workers, {writers} writers", rate, committed, came)


def report(name: str, rate: float, committed: dict[str, float], came: dict[str, float]) -> bool:
    """Print the latencies; return whether the rate was reached."""
    latencies = sorted((came[pk] - at) * 1000 for pk, at in committed.items())
    cuts = statistics.quantiles(latencies, n=1000, method="inclusive")
    actual = pace(sorted(committed.values()))
    print(f"{name}: {len(committed)} saves at {actual:.0f}/s, commit to socket")
    print(f"  p50 {cuts[499]:.1f} ms   p90 {cuts[899]:.1f} ms   p99 {cuts[989]:.1f} ms   max {latencies[-1]:.1f} ms")
    if actual >= rate * REACHED:
        return True
    print(f"  RATE NOT REACHED: {rate:.0f} saves/s were asked for. Try more --writers.", file=sys.stderr)
    return False


def pace(times: Sequence[float]) -> float:
    """Saves a second, from the first to the last."""
    return (len(times) - 1) / (times[-1] - times[0])


def main(arguments: list[str]) -> None:
    """Measure at the rate that is named."""
    parser = argparse.ArgumentParser(prog="bench latency", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, default="postgresql")
    parser.add_argument("--rate", type=float, default=100, help="saves a second, of all writers")
    parser.add_argument("--saves", type=int, default=2000, help="saves of all writers")
    parser.add_argument("--workers", type=int, default=2, help="processes of the server")
    parser.add_argument("--writers", type=int, default=1, help="processes that save, each on an account of its own")
    options = parser.parse_args(arguments)
    if not measure(options.database, options.rate, options.saves, options.workers, options.writers):
        sys.exit(1)
