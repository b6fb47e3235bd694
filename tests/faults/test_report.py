"""The report says of each fault what was survived, and a run of some leaves what is known of the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import report
from tests.faults.checker import Anomaly
from tests.faults.play import Result
from tests.faults.resources import Resources

HELD = Resources(240.0, 20, 118, 18)
SURVIVED = Result(
    name="redis-killed",
    what="Redis is killed.",
    clients=50,
    writes=200,
    refused=0,
    events=8000,
    seconds_to_heal=1.5,
    ends={},
    before=HELD,
    after=HELD,
)
FAILED = replace(
    SURVIVED,
    name="worker-killed",
    seconds_to_heal=None,
    anomalies=[Anomaly("lost", "alice-1", "an event"), Anomaly("lost", "bob-2", "an event")],
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "HOME", tmp_path)
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    return tmp_path


def test_a_run_of_some_faults_leaves_what_is_known_of_the_others(home: Path) -> None:
    report.keep(FAILED)
    report.keep(SURVIVED)
    report.write_page()

    known = json.loads((home / "report.json").read_text())
    assert [(each["name"], each["survived"]) for each in known] == [("redis-killed", True), ("worker-killed", False)]
    rows = (home / "page.md").read_text().splitlines()[-2:]
    assert rows[0].startswith("| `redis-killed`: Redis is killed. | yes | 50 | 200 | 0 | 8000 | 0 | 0 |")
    assert rows[1].startswith("| `worker-killed`: Redis is killed. | **no** | 50 | 200 | 0 | 8000 | 2 | 0 |")
    assert "| never |" in rows[1]


def test_what_was_wrong_is_said_below_a_result() -> None:
    assert report.line(FAILED).splitlines()[-1] == "      lost bob-2: an event"
    assert "survived" in report.line(SURVIVED)
