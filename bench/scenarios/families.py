"""Many families at once: transactions saved at a steady rate, each seen by its family alone, from save to socket."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from bench.crowd import Crowd
from bench.load.arrivals import Faults, faults, latencies
from bench.load.generator import Load
from bench.load.pool import Records
from bench.machine import on_core
from bench.product import USUAL_TOPICS, Product
from bench.scenarios.fanout import WARM, settle
from bench.statistics import quantile

PATIENCE = 60.0
FIRST = 1_000


@dataclass(frozen=True)
class Families:
    """Milliseconds from the beginning of a save to each socket; ``save`` is the save alone."""

    database: str
    clients: int
    families: int
    wanted: float
    saves: float  # a second, as reached
    p50: float
    p99: float
    p999: float
    save_p50: float
    save_p99: float
    connects: float
    kilobytes: float  # per connection, with user, family and global
    faults: Faults

    def __str__(self) -> str:
        wrong = f", {self.faults}" if self.faults else ", nothing lost"
        return (
            f"{self.database}: {self.clients:,} sockets in {self.families:,} families, {self.saves:,.0f} saves/s "
            f"(of {self.wanted:,.0f}): save to socket p50 {self.p50:.1f} p99 {self.p99:.1f} p99.9 {self.p999:.1f} ms, "
            f"save alone p50 {self.save_p50:.2f} p99 {self.save_p99:.2f} ms; {self.connects:,.0f} connects/s, "
            f"{self.kilobytes:.1f} KB per connection{wrong}"
        )


def measure(crowd: Crowd, database: str, rate: float, seconds: float) -> Families:
    """Connect everybody, save at ``rate`` for ``seconds``, and see that each member had each of their family's."""
    clients = len(crowd.users)
    with on_core("load"), Product(crowd, topics=USUAL_TOPICS) as server, Load(server.port, room=clients) as load:
        load.open(server.requests(WARM), greetings=1)
        settle(server)
        memory = server.program.memory()
        opening = load.open(server.requests(clients - WARM), greetings=1)
        settle(server)
        kilobytes = (server.program.memory() - memory) / (clients - WARM) / 1024
        load.records()
        saved = Saved(crowd)
        before = load.state().counters.marks
        took = saved.save(rate, seconds)
        load.wait(before + sum(saved.members(family) for family in saved.family.values()), PATIENCE)
        records = load.records()
    return _figures(database, rate, saved, took, records, opening.rate, kilobytes)


class Saved:
    """Transactions saved on the families' accounts, and when."""

    def __init__(self, crowd: Crowd, first: int = FIRST) -> None:
        self.crowd = crowd
        self.first = first
        self.began: dict[int, float] = {}
        self.took: list[float] = []
        self.family: dict[int, int] = {}  # by mark
        self._chance = random.Random(1)

    def save(self, rate: float, seconds: float) -> float:
        """Save at that rate, in this process; return the seconds it took."""
        begin = time.monotonic()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            if time.monotonic() > begin + 2 * seconds:
                break
            self.one(self.first + len(self.began))
        return time.monotonic() - begin

    def one(self, mark: int, family: int | None = None) -> None:
        """Save one, in a family that chance names."""
        from ledger.models import Transaction

        family = self._chance.randrange(len(self.crowd.families)) if family is None else family
        row = Transaction(account=self.crowd.accounts[family], amount="-1.00", description=f"#{mark:08d}")
        self.family[mark] = family
        self.began[mark] = time.monotonic()
        row.save()
        self.took.append(time.monotonic() - self.began[mark])

    def members(self, family: int) -> int:
        """How many clients see that family."""
        return len(self.crowd.users) // len(self.crowd.families)

    def faults(self, records: Records) -> Faults:
        """Compare with what every client should have had."""
        each = len(self.crowd.users) // len(self.crowd.families)
        wanted: dict[int, list[int]] = {client: [] for client in range(len(self.crowd.users))}
        for mark, family in self.family.items():
            for client in range(family * each, (family + 1) * each):
                wanted[client].append(mark)
        return faults(records, wanted)


def _figures(
    database: str, rate: float, saved: Saved, took: float, records: Records, connects: float, kilobytes: float
) -> Families:
    times, saves = latencies(records, saved.began), sorted(saved.took)
    return Families(
        database=database,
        clients=len(saved.crowd.users),
        families=len(saved.crowd.families),
        wanted=rate,
        saves=len(saved.began) / took,
        p50=quantile(times, 0.5) * 1000,
        p99=quantile(times, 0.99) * 1000,
        p999=quantile(times, 0.999) * 1000,
        save_p50=quantile(saves, 0.5) * 1000,
        save_p99=quantile(saves, 0.99) * 1000,
        connects=connects,
        kilobytes=kilobytes,
        faults=saved.faults(records),
    )
