"""How many events a second eight writers can commit, and one relay after the other gives their places."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from bench.servers import DATABASES, started

WRITERS = 8


def write(number: int, events: int) -> None:
    """Publish ``events`` events, each in a transaction of its own, on a topic of this writer and one of all."""
    import django

    django.setup()
    from django.db import connections, transaction

    from realtime import outbox
    from realtime.relay import relay
    from realtime.topics import Topic

    topics = [Topic(f"family:00000000-0000-0000-0000-{number:012d}"), Topic("global")]
    for count in range(events):
        with transaction.atomic():
            outbox.publish("Notification", {"number": count}, to=topics[count % 2 :][:1])
    relay.stop(30)
    connections.close_all()


def measure(database: str, events: int) -> None:
    """Print events a second, from the first commit until the last has its place, and check that none is missing."""
    with started(database):
        from realtime import log

        before = log.head().position
        with ProcessPoolExecutor(WRITERS, mp_context=get_context("spawn")) as pool:
            list(pool.map(write, range(WRITERS), [1] * WRITERS))  # imports, connections
            begin = time.monotonic()
            start = log.head().position
            list(pool.map(write, range(WRITERS), [events] * WRITERS))
            while log.waiting() is not None:
                log.sequence()
            took = time.monotonic() - begin
        sequenced = log.head().position - start
    assert sequenced == WRITERS * events, (before, sequenced)
    print(f"{database}: {WRITERS} writers, {sequenced} events in {took:.1f} s: {sequenced / took:.0f} events/s")


def main(arguments: list[str]) -> None:
    """Measure on the database that is named."""
    parser = argparse.ArgumentParser(prog="bench sequence", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, default="postgresql")
    parser.add_argument("--events", type=int, default=500, help="events of each writer")
    options = parser.parse_args(arguments)
    measure(options.database, options.events)
