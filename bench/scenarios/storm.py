"""Everybody comes back at once: a restart under ten thousand clients, and what they missed meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.crowd import Crowd
from bench.load.arrivals import Faults
from bench.load.generator import Load
from bench.machine import on_core
from bench.product import USUAL_TOPICS, Product
from bench.scenarios.families import Saved
from bench.scenarios.fanout import settle

AT_ONCE = 512  # handshakes under way
PATIENCE = 60.0


@dataclass(frozen=True)
class Storm:
    """How long it took, from the first new handshake. Seconds."""

    clients: int
    missed: int  # events, while the server was away
    back: float  # until the last was connected
    whole: float  # until the last had what it missed
    faults: Faults

    def __str__(self) -> str:
        wrong = str(self.faults) if self.faults else "nothing missed or doubled"
        return (
            f"{self.clients:,} clients with cursors after a restart, {self.missed} transactions missed: "
            f"all back in {self.back:.1f} s, all whole in {self.whole:.1f} s, {wrong}"
        )


def measure(crowd: Crowd, events: int = 500) -> Storm:
    """Connect everybody, stop the server, save, start it, and let all of them resume."""
    clients = len(crowd.users)
    with on_core("load"), Product(crowd, topics=USUAL_TOPICS) as server:
        with Load(server.port, room=clients, cursors=True) as load:
            load.open(server.requests(clients), greetings=1)
            settle(server)
            Saved(crowd, first=100).save(200, 1.0)
            settle(server)
            cursors = load.cursors(clients)
            server.program.stop()
        saved = Saved(crowd)
        for mark in range(events):
            saved.one(saved.first + mark)
        server.program = server.start()
        with Load(server.port, room=clients) as load:
            begin = time.monotonic()
            requests = [server.request(person, cursor=cursors[person]) for person in range(clients)]
            load.open(requests, greetings=1, at_once=AT_ONCE)
            back = time.monotonic() - begin
            wanted = sum(saved.members(family) for family in saved.family.values())
            load.wait(wanted, PATIENCE)
            whole = time.monotonic() - begin
            load.wait(wanted + 1, 1.0)  # what is doubled comes late
            return Storm(clients, events, back, whole, saved.faults(load.records()))
