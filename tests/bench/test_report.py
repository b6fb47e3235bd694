"""What the report says of a run."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.load.arrivals import Faults
from bench.picture import bars
from bench.report import PRODUCT, Report, Target, ratio_of, targets
from bench.scenarios.fanout import Round, Spread


def measured(small: float, large: float, **more: float) -> Round:
    spreads = {1000: Spread(1000, rate=small), 10_000: Spread(10_000, rate=large, p99=more.pop("p99", 70.0))}
    return Round(spreads=spreads, **more)


@pytest.fixture
def report() -> Report:
    ours = [measured(300, 200, connects=6000, kilobytes=4.5, overload=9e5), measured(100, 90, connects=4000)]
    peer = [measured(150, 100), measured(100, 60)]
    return Report("today", "a machine", {"nginx + nchan": "1.0"}, {PRODUCT: ours, "nginx + nchan": peer})


def test_a_ratio_is_the_median_over_the_rounds_not_of_the_medians(report: Report) -> None:
    assert ratio_of(report.rounds, PRODUCT, "nginx + nchan") == pytest.approx(1.75)


def test_the_table_has_a_row_for_each_server_and_the_slowest_first(report: Report) -> None:
    rows = [line for line in report.markdown().splitlines() if line.startswith("| ")]

    servers = [row.split(" | ")[0].strip("| *") for row in rows[2:4]]
    assert servers == ["nginx + nchan", PRODUCT]
    assert "| 145 |" in rows[3]
    assert all(row.count("|") == rows[0].count("|") for row in rows[:4])


def test_a_target_is_reached_or_it_is_said_that_it_is_not(report: Report) -> None:
    found = {target.what: target for target in targets(report.rounds)}

    assert found["deliveries/s to 10,000, the product ÷ nginx + nchan"].is_reached
    assert found["connects/s with JWT and rights"].is_reached
    assert not found["overload, deliveries/s"].is_reached
    assert "**no**" in str(found["overload, deliveries/s"])
    assert Target("p99", 80, 81, at_most=True).is_reached is False


def test_a_peer_that_is_missing_is_no_target(report: Report) -> None:
    assert not any("Node ws" in target.what for target in targets(report.rounds))


def test_the_raw_figures_are_kept(report: Report, tmp_path: Path) -> None:
    report.rounds[PRODUCT][0].overload_faults = Faults(1, 2, 3)
    report.others["Storm"] = [Faults(4, 5, 6)]

    report.write(tmp_path)

    kept = json.loads((tmp_path / "fanout.json").read_text())
    assert kept["rounds"][PRODUCT][0]["spreads"]["10000"]["rate"] == 200
    assert kept["rounds"][PRODUCT][0]["overload_faults"] == {"missing": 1, "doubled": 2, "out_of_order": 3}
    assert kept["others"]["Storm"] == [{"missing": 4, "doubled": 5, "out_of_order": 6}]
    assert (tmp_path / "fanout.md").read_text().startswith("Measured today on a machine.")


def test_bars_are_as_long_as_their_values() -> None:
    picture = ElementTree.fromstring(bars("Deliveries & more", {"a <b>": 50.0, "ours": 100.0}, marked="ours"))

    lengths = [int(each.attrib["width"]) for each in picture.iter("{http://www.w3.org/2000/svg}rect")][1:]
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert lengths[1] == 2 * lengths[0]
    assert texts == ["Deliveries & more", "a <b>", "50", "ours", "100"]
