"""What publishing costs the one who saves: the same save with and without it, in turn, in one process."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from unittest.mock import patch

from bench.servers import DATABASES, started

ROUNDS, SAVES = 15, 100


def measure(database: str) -> None:
    """Print milliseconds per save and the ratios, pair by pair."""
    with started(database):
        from bench.people import an_account
        from ledger.models import Transaction
        from realtime import outbox
        from realtime.relay import relay

        account, user = an_account()

        def save() -> None:
            Transaction(account=account, amount="-1.00", description="Coffee", created_by=user).save()

        def quiet() -> float:
            with (
                patch.object(outbox, "insert", return_value=(0, None)),
                patch.object(outbox, "_pending", lambda connection: outbox._Pending()),
            ):
                return per_save(save)

        def unsequenced() -> float:
            with patch.object(relay, "wake"):
                return per_save(save)

        def whole() -> float:
            return per_save(save)

        for kind in (quiet, unsequenced, whole):
            kind()
        rounds = [(quiet(), unsequenced(), whole()) for _ in range(ROUNDS)]
    without, written, sequenced = zip(*rounds, strict=True)
    print(f"{database}: one transaction.save(), median of {ROUNDS} rounds of {SAVES}")
    print(f"  without publish                      {statistics.median(without):.3f} ms")
    report("with publish", written, without)
    report("with publish, relay in this process", sequenced, without)


def per_save(save: Callable[[], None]) -> float:
    """Milliseconds of one save."""
    begin = time.perf_counter()
    for _ in range(SAVES):
        save()
    return (time.perf_counter() - begin) / SAVES * 1000


def report(name: str, values: tuple[float, ...], base: tuple[float, ...]) -> None:
    """Print a row with its ratio to the base."""
    ratios = sorted(value / other for value, other in zip(values, base, strict=True))
    median, low, high = statistics.median(ratios), ratios[0], ratios[-1]
    print(f"  {name:<36} {statistics.median(values):.3f} ms   ratio {median:.2f} ({low:.2f} to {high:.2f})")


def main(arguments: list[str]) -> None:
    """Measure on the database that is named."""
    parser = argparse.ArgumentParser(prog="bench publish", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    measure(parser.parse_args(arguments).database)
