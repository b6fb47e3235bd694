"""What a fault is: what it does, how it heals, and what of the trouble that clients have it explains.

One registry; a fault of one's own is one more call of ``fault()`` in a module beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.faults.rig import Rig, Setup

Act = Callable[[Rig], object]

LOST_SERVER = frozenset({"cut", "refused", "1012", "HTTP 503"})
"""How connections end, and new ones fail, when a server process dies or is not there."""

LOST_DATABASE = frozenset({"1012", "HTTP 503"})
"""How new ones fail without a database. Those that are open stay open."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One fault. It is struck, again ``every`` so many seconds if that is not 0, and healed after ``seconds``."""

    name: str
    what: str
    strike: Act
    heal: Act
    every: float
    seconds: float
    explains: frozenset[str]
    resets: frozenset[str]
    needs: frozenset[str]
    setup: Setup
    through_proxy: bool
    rewinds: bool
    is_quick: bool


SCENARIOS: dict[str, Scenario] = {}


def nothing(rig: Rig) -> None:
    """What heals by itself."""


def fault(
    name: str,
    what: str,
    *,
    strike: Act,
    heal: Act = nothing,
    every: float = 0.0,
    seconds: float = 6.0,
    explains: Iterable[str] = (),
    resets: Iterable[str] = (),
    needs: Iterable[str] = (),
    setup: Setup | None = None,
    through_proxy: bool = False,
    rewinds: bool = False,
    is_quick: bool = False,
) -> None:
    """Register a fault. ``needs`` are abilities of the machine; a quick one is in every run of the suite.

    One that ``rewinds`` puts the database back to a dump when it heals, while nobody writes.
    """
    assert name not in SCENARIOS, f"there is a fault {name} already"
    SCENARIOS[name] = Scenario(
        name=name,
        what=what,
        strike=strike,
        heal=heal,
        every=every,
        seconds=seconds,
        explains=frozenset(explains),
        resets=frozenset(resets),
        needs=frozenset(needs),
        setup=setup or Setup(),
        through_proxy=through_proxy,
        rewinds=rewinds,
        is_quick=is_quick,
    )
