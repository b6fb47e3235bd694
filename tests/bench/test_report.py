"""What the report says of a run."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.load.arrivals import Faults
from bench.picture import bars
from bench.report import BEGIN, END, PRODUCT, Part, Report, Target, into, ratio_of, targets
from bench.scenarios.fanout import Round, Spread


def measured(small: float, large: float, **more: float) -> Round:
    spreads = {1000: Spread(1000, rate=small), 10_000: Spread(10_000, rate=large, p99=more.pop("p99", 70.0))}
    return Round(spreads=spreads, **more)


@pytest.fixture
def report() -> Report:
    ours = [measured(300, 200, connects=6000, kilobytes=4.5, overload=9e5), measured(100, 90, connects=4000)]
    peer = [measured(150, 100), measured(100, 60)]
    return Report(
        machine="a machine",
        when="today",
        rounds={PRODUCT: ours, "nginx + nchan": peer},
        versions={"nginx + nchan": "1.0"},
    )


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


def test_a_machine_that_was_busy_is_told_above_everything(report: Report) -> None:
    report.condition = "The machine was busy."

    assert report.markdown().startswith("Measured on a machine.\n\n**The machine was busy.**\n\n")


def test_a_peer_that_is_missing_is_no_target(report: Report) -> None:
    assert not any("Node ws" in target.what for target in targets(report.rounds))


def test_a_scenario_is_measured_again_without_losing_the_others(report: Report, tmp_path: Path) -> None:
    report.rounds[PRODUCT][0].overload_faults = Faults(1, 2, 3)
    report.parts["Storm"] = [Part("today", "all back in 3 s", {"back": 3.0})]
    report.write(tmp_path)

    again = Report.read(tmp_path)
    again.parts["Polling"] = [Part("later", "2,000 polls/s")]
    again.write(tmp_path)

    assert Report.read(tmp_path) == again
    assert again.rounds == report.rounds
    assert "- all back in 3 s (today)" in (tmp_path / "fanout.md").read_text()
    assert "- 2,000 polls/s (later)" in (tmp_path / "fanout.md").read_text()


def test_where_there_is_no_report_nothing_was_found(tmp_path: Path) -> None:
    assert Report.read(tmp_path) == Report()


def test_results_take_the_place_of_earlier_ones_on_a_page() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert into(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert into(into(page, "new"), "newer") == f"before\n{BEGIN}\n\nnewer\n\n{END}\nafter\n"


def test_bars_are_as_long_as_their_values() -> None:
    picture = ElementTree.fromstring(bars("Deliveries & more", {"a <b>": 50.0, "ours": 100.0}, marked="ours"))

    lengths = [int(each.attrib["width"]) for each in picture.iter("{http://www.w3.org/2000/svg}rect")][1:]
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert lengths[1] == 2 * lengths[0]
    assert texts == ["Deliveries & more", "a <b>", "50", "ours", "100"]
