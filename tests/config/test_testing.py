"""``run.py test`` says what became of all tests, and leaves each run its own part."""

from pathlib import Path

import pytest

from config import env
from config.launch import testing
from config.launch.testing import Tally
from tests import servers
from tests.contract.other_servers import OTHER_SERVERS

REPORT = """<?xml version="1.0"?><testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="10"
time="1.5"></testsuite></testsuites>"""


def test_errors_count_as_failures(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    tally = Tally()

    tally.add(tmp_path / "report.xml", failed=True)
    tally.add(tmp_path / "report.xml", failed=True)

    assert str(tally).strip("= ") == "8 passed, 6 failed, 6 skipped in 3.00s"


def test_a_run_that_broke_before_any_test_counts_as_a_failure(tmp_path: Path) -> None:
    tally = Tally()

    tally.add(tmp_path / "missing.xml", failed=True)

    assert tally.failed == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["tests/realtime/test_log.py::test_one", "-x"],
            {
                "postgresql": ("tests/realtime/test_log.py::test_one",),
                "postgresql-alone": ("tests/realtime/test_log.py::test_one",),
                "sqlite": ("tests/realtime/test_log.py::test_one",),
            },
        ),
        (
            ["tests/config", "-k", "testing"],
            {"postgresql": ("tests/config",), "postgresql-alone": ("tests/config",)},
        ),
        (["tests/browser"], {"browser": ("tests/browser",)}),
    ],
)
def test_paths_narrow_each_run_to_its_own(arguments: list[str], expected: dict[str, tuple[str, ...]]) -> None:
    assert {run.name: run.paths for run in testing.runs(arguments)} == expected


def test_without_paths_everything_runs_on_postgresql_and_the_browser_by_itself() -> None:
    runs = {run.name: run.paths for run in testing.runs(["-x"])}

    assert runs["postgresql"] == ("tests",)
    assert runs["browser"] == ("tests/browser",)
    assert "tests/realtime" in runs["sqlite"]
    assert "tests/config" not in runs["sqlite"]


def test_another_server_is_held_against_the_contract_on_postgresql_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setenv("TEST_SERVER", "granian")
    monkeypatch.setattr(testing, "_run", lambda each, arguments, tally: ran.append(each.name) or 0)

    code = testing.test(["tests/contract"])

    assert (code, ran) == (0, ["postgresql", "postgresql-alone"])


def test_nox_knows_every_other_server() -> None:
    noxfile = (env.BASE_DIR / "noxfile.py").read_text()

    assert all(f'"{name}"' in noxfile for name in OTHER_SERVERS)


@pytest.mark.parametrize(
    ("said", "database"),
    [(None, servers.POSTGRESQL), ("", servers.POSTGRESQL), (servers.SQLITE, servers.SQLITE)],
)
def test_a_run_on_no_database_in_particular_is_one_on_postgresql(
    said: str | None, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_DATABASE", raising=False)
    if said is not None:
        monkeypatch.setenv("TEST_DATABASE", said)

    assert servers.database() == database


def test_a_run_on_a_database_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DATABASE", "mysql")

    with pytest.raises(SystemExit, match="TEST_DATABASE is 'mysql': set it to postgresql or sqlite"):
        servers.database()
