"""From commit to socket: transactions saved at a steady rate, and the moment each reaches a WebSocket.

The writer, the server's workers and the client are processes of their own; the clock is the machine's one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from threading import Event

import websockets

from bench.servers import DATABASES, started

WARM_UP = 100


def arrivals(url: str, token: str, count: int, ready: Event) -> dict[str, float]:
    """Connect, say so, wait for ``count`` transactions, and return when each came."""
    return asyncio.run(_arrivals(url, token, count, ready))


async def _arrivals(url: str, token: str, count: int, ready: Event) -> dict[str, float]:
    seen: dict[str, float] = {}
    async with websockets.connect(f"{url}/ws", additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        await socket.recv()
        ready.set()
        async with asyncio.timeout(30 + count / 10):
            while len(seen) < count:
                frame = json.loads(await socket.recv())
                if frame["type"] == "TransactionUpdate":
                    seen[frame["data"]["transaction_id"]] = time.monotonic()
    return seen


def measure(database: str, rate: float, saves: int, workers: int) -> None:
    """Print the distribution of the latency, in milliseconds."""
    context = get_context("spawn")
    with started(database):
        from rest_framework_simplejwt.tokens import RefreshToken

        from bench.people import an_account
        from ledger.models import Transaction
        from tests.live import LiveServer

        account, user = an_account()
        token = str(RefreshToken.for_user(user).access_token)
        total = WARM_UP + saves
        with (
            LiveServer(workers=workers) as server,
            context.Manager() as manager,
            ProcessPoolExecutor(1, mp_context=context) as pool,
        ):
            ready = manager.Event()
            waiting = pool.submit(arrivals, server.ws_url, token, total, ready)
            ready.wait(60)
            committed: dict[str, float] = {}
            begin = time.monotonic()
            for number in range(total):
                time.sleep(max(0.0, begin + number / rate - time.monotonic()))
                row = Transaction(account=account, amount="-1.00", description="Coffee", created_by=user)
                row.save()
                committed[str(row.pk)] = time.monotonic()
            took = time.monotonic() - begin
            came = waiting.result()
    latencies = sorted((came[pk] - at) * 1000 for pk, at in list(committed.items())[WARM_UP:])
    cuts = statistics.quantiles(latencies, n=1000, method="inclusive")
    print(f"{database}, {workers} workers: {saves} saves at {total / took:.0f}/s, commit to socket")
    print(f"  p50 {cuts[499]:.1f} ms   p90 {cuts[899]:.1f} ms   p99 {cuts[989]:.1f} ms   max {latencies[-1]:.1f} ms")


def main(arguments: list[str]) -> None:
    """Measure at the rate that is named."""
    parser = argparse.ArgumentParser(prog="bench latency", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, default="postgresql")
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--saves", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    measure(options.database, options.rate, options.saves, options.workers)
