"""A short selection of the faults: nothing is lost, doubled, reordered, made up or leaked, nobody is sent away for it.

``python3 run.py faults`` has all of them, and longer.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.play import CLIENTS, Hands, play
from tests.faults.registry import SCENARIOS
from tests.faults.rig import Rig, abilities
from tests.faults.scenario import Scenario, Setup

pytestmark = [pytest.mark.alone, pytest.mark.faults, pytest.mark.timeout(180)]

SECONDS = 4.0  # that each lasts
QUICK = [each for each in SCENARIOS.values() if each.is_quick]


@pytest.fixture(scope="module")
def product() -> Iterator[tuple[Rig, Hands]]:
    """The whole product, and those who write."""
    with Rig(Setup()) as rig, Hands(rig) as hands:
        yield rig, hands


@pytest.mark.parametrize("scenario", QUICK, ids=[each.name for each in QUICK])
def test_it_is_survived(scenario: Scenario, product: tuple[Rig, Hands]) -> None:
    if missing := scenario.needs - abilities():
        pytest.skip(f"THIS MACHINE HAS NO {', '.join(sorted(missing))}: {scenario.name} is not tried")

    result = play(*product, scenario, clients=CLIENTS, seconds=SECONDS)

    assert result.anomalies == []
    assert result.writes > 0
    assert result.events > result.writes
