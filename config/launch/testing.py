"""The test suite: on PostgreSQL, the parts that touch a database again on SQLite, then the browser.

With ``TEST_SERVER`` the contract is held against another server than ours, on PostgreSQL alone: servers do not differ
by database. Each is a pytest run of its own: the settings of a process are those of one database, and the browser's
event loop does not live with that of the asynchronous tests.
"""

import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from config import env
from config.launch import browser
from config.launch.programs import run

RESULTS = env.BASE_DIR / "var" / "test-results"
BROWSER = "tests/browser"
TWICE = ("tests/realtime", "tests/accounts", "tests/ledger", "tests/contract", "tests/journeys")
NOTHING_COLLECTED = 5
# One more than the cores of a small machine: tests wait for clocks, and for programs that they start.
# In the order that tests/conftest.py gives them.
PROCESSES = ["-n", "3", "--dist", "loadscope", "--no-loadscope-reorder"]
# Its tests share one server and one browser for the whole run, and a few take as long as all others of their module.
# The first of them waits for both, and for its database, on a machine that may be busy.
STEALING = ("-n", "2", "--dist", "worksteal", "--timeout", "180")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One pytest run: what it is called, on which database, of which paths, with which options."""

    name: str
    database: str
    paths: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass
class Tally:
    """What became of the tests of all runs."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def add(self, report: Path, *, failed: bool) -> None:
        """Count the tests of one report in JUnit's form. A run that ``failed`` counts as at least one failure."""
        before = self.failed
        if report.exists():
            self._count(report)
        self.failed = max(self.failed, before + failed)

    def _count(self, report: Path) -> None:
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314  (pytest wrote it)
            tests, failed, errors, skipped = (
                int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")
            )
            self.failed += failed + errors
            self.skipped += skipped
            self.passed += tests - failed - errors - skipped
            self.seconds += float(suite.get("time", 0))

    def __str__(self) -> str:
        words = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped in {self.seconds:.2f}s"
        return f" {words} ".center(80, "=")


def test(arguments: list[str]) -> int:
    """Run the suite with pytest's ``arguments`` and return 0 when every run passed."""
    tally = Tally()
    both = "TEST_SERVER" not in env.variables()
    codes = [_run(each, arguments, tally) for each in runs(arguments, on_sqlite=both) if _possible(each, tally)]
    print(tally, flush=True)
    return 1 if tally.failed or any(codes) else 0


def runs(arguments: list[str], *, on_sqlite: bool = True) -> list[Run]:
    """Return the runs that ``arguments`` leave: paths in them narrow each run to its own."""
    chosen = [word for word in arguments if _is_path(word)]
    postgresql = tuple(path for path in chosen or ["tests"] if not _below(path, (BROWSER,)))
    sqlite = tuple(path for path in chosen if _below(path, TWICE)) if chosen else _existing(TWICE)
    in_browser = tuple(path for path in chosen if _below(path, (BROWSER,))) if chosen else _existing((BROWSER,))
    every = [
        Run(
            name="postgresql",
            database="postgresql",
            paths=postgresql,
            options=("-m", "not alone", *PROCESSES),
        ),
        Run(name="postgresql-alone", database="postgresql", paths=postgresql, options=("-m", "alone")),
        Run(name="sqlite", database="sqlite", paths=sqlite, options=("-m", "not alone", *PROCESSES)),
        Run(name="browser", database="postgresql", paths=in_browser, options=STEALING),
    ]
    return [each for each in every if each.paths and (on_sqlite or each.database != "sqlite")]


def _possible(each: Run, tally: Tally) -> bool:
    if each.name != "browser" or browser.find():
        return True
    print("!!! SKIPPED: the browser tests. There is no Chromium, and only root may install one.", flush=True)
    tally.skipped += 1
    return False


def _is_path(word: str) -> bool:
    return word.startswith("tests/") or word == "tests"


def _below(path: str, folders: tuple[str, ...]) -> bool:
    file = path.split("::")[0].rstrip("/")
    return any(file == folder or file.startswith(f"{folder}/") for folder in folders)


def _existing(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(folder for folder in folders if any((env.BASE_DIR / folder).rglob("test_*.py")))


def _run(each: Run, arguments: list[str], tally: Tally) -> int:
    report = RESULTS / f"{each.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    others = [word for word in arguments if not _is_path(word)]
    print(f"--- {each.name}", flush=True)
    command = [sys.executable, "-m", "pytest", *each.options, f"--junitxml={report}", *others, *each.paths]
    code = run(command, env.variables() | {"TEST_DATABASE": each.database})
    tally.add(report, failed=code not in (0, NOTHING_COLLECTED))
    return 0 if code == NOTHING_COLLECTED else code
