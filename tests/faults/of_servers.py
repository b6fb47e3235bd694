"""What befalls the product's own processes, and what they run on."""

from __future__ import annotations

import itertools
import signal

from tests.faults.rig import Rig, Setup
from tests.faults.scenario import LOST_SERVER, fault

_places = itertools.count()
_clocks = itertools.cycle([3600, -3600])


def kill_a_worker(rig: Rig) -> None:
    """By turns, so that each of them has been the one that sequences, and never the only one that serves."""
    rig.wait_until_all_serve()
    rig.signal_worker(next(_places), signal.SIGKILL)


fault(
    "worker-killed",
    "A worker is killed, twenty times, each time when all are there.",
    strike=kill_a_worker,
    every=2.0,
    seconds=40,
    explains=LOST_SERVER,
    is_quick=True,
)
fault(
    "worker-frozen",
    "A worker stands still for five seconds, its event loop and all its threads.",
    strike=lambda rig: rig.signal_worker(0, signal.SIGSTOP),
    heal=lambda rig: [rig.signal_worker(place, signal.SIGCONT) for place in range(2)],
    seconds=5,
)
fault(
    "server-ended",
    "The server is told to end under load, drains, and is started again.",
    strike=lambda rig: rig.server.stop(),
    heal=lambda rig: rig.restart_server(),
    seconds=2,
    explains=LOST_SERVER,
)
fault(
    "rolling-restart",
    "One worker after the other is told to end, drains, and is replaced.",
    strike=lambda rig: rig.signal_worker(next(_places), signal.SIGTERM),
    every=8.0,
    seconds=24,
    explains=LOST_SERVER,
)
fault(
    "handles-exhausted",
    "Each process may have 100 file handles open, and strangers take all of them.",
    strike=lambda rig: [rig.connect() for _ in range(250)],
    heal=lambda rig: rig.let_go(),
    explains={*LOST_SERVER, "silent"},
    setup=Setup(handles=100),
)
fault(
    "clock-set",
    "The wall clock of the servers is set an hour on, and an hour back.",
    strike=lambda rig: rig.set_clock(next(_clocks)),
    heal=lambda rig: rig.set_clock(0),
    every=4.0,
    seconds=16,
    explains={"4401", "HTTP 401"},
    needs=["clock"],
    setup=Setup(has_own_clock=True),
)
fault(
    "disk-full",
    "SQLite's disk is full.",
    strike=lambda rig: rig.fill_disk(),
    heal=lambda rig: rig.empty_disk(),
    explains={"1012", "HTTP 503"},
    needs=["disk"],
    setup=Setup(database="sqlite", disk_megabytes=24),
)
