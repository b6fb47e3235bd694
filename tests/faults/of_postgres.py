"""What befalls PostgreSQL. Open connections stay; who comes meanwhile is told to come back."""

from __future__ import annotations

from tests.faults.scenario import LOST_DATABASE, fault

fault(
    "postgres-restarted",
    "PostgreSQL is stopped at once, without a checkpoint, and started again.",
    strike=lambda rig: rig.postgres.stop("immediate"),
    heal=lambda rig: rig.postgres.start(),
    seconds=4,
    explains=LOST_DATABASE,
    is_quick=True,
)
fault(
    "postgres-killed",
    "PostgreSQL is killed, and started again.",
    strike=lambda rig: rig.postgres.stop("kill"),
    heal=lambda rig: rig.postgres.start(),
    seconds=4,
    explains=LOST_DATABASE,
)
fault(
    "backend-ended",
    "One connection of the database is ended from its side.",
    strike=lambda rig: rig.terminate_backends(1),
    every=1.0,
    explains=LOST_DATABASE,
)
fault(
    "backends-ended",
    "Every connection of the database is ended, every second.",
    strike=lambda rig: rig.terminate_backends(),
    every=1.0,
    seconds=10,
    explains=LOST_DATABASE,
)
fault(
    "dump-restored",
    "The database is put back to an old dump under open connections, and given a new epoch.",
    strike=lambda rig: rig.dump(),
    heal=lambda rig: (rig.restore(rig.directory / "dump"), rig.manage("new_epoch")),
    explains=LOST_DATABASE,
    resets=["epoch", "ahead"],
    rewinds=True,
)
fault(
    "dump-restored-silently",
    "The database is put back to an old dump, and nobody says so.",
    strike=lambda rig: rig.dump(),
    heal=lambda rig: rig.restore(rig.directory / "dump"),
    explains=LOST_DATABASE,
    resets=["epoch", "ahead"],
    rewinds=True,
)
