"""A line knows its room: what may stand in one place only stands nowhere else."""

import ast
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from config.env import BASE_DIR

PACKAGES = ("config", "realtime", "accounts", "ledger")
LONGEST_MODULE = 300
ERRORS = "realtime/protocol/errors.py"

HOMES = [
    # (what is looked for, in code without comments and docstrings; the pattern; where it may stand)
    ("a close code", r"(?<![\w.])4(?:4\d\d|5\d\d)(?![\w.])", (ERRORS,)),
    ("a lock on the log's head", r"\bLogHead\b.*\.select_for_update\(|\bFOR UPDATE\b", ("realtime/log.py",)),
    ("holding the log's head", r"(?<!def )\blocked_head\(", ("realtime/log.py", "realtime/pruning.py")),
    ("an announcement", r"\bgroup_send\(", ("realtime/relay.py", "realtime/announcer.py")),
    ("a hook on the commit", r"\bon_commit\(", ("realtime/outbox.py",)),
    ("an event", r"(?<!def )(?<![\w.])publish\(", ("*/events.py", "realtime/outbox.py")),
    ("a signal receiver", r"@receiver\(", ("*/signals.py",)),
    ("the name of the ledger's event", r"[\"']TransactionUpdate[\"']", ("ledger/events.py", "ledger/wire.py")),
    ("a masked number", "••••", ("ledger/payloads.py", "ledger/wire.py")),
    ("the environment", r"\bos\.(?:environ|getenv)\b", ("config/env.py",)),
    ("a metric", r"\b(?:Counter|Gauge|Histogram)\(\s*[\"']", ("realtime/metrics.py",)),
]


def tracked(*patterns: str) -> list[str]:
    """The files of the repository and those that are about to be, without what it ignores."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in done.stdout.splitlines() if (BASE_DIR / name).is_file()]


def sources() -> list[str]:
    """The project's own Python modules, without migrations."""
    return [name for name in tracked("*.py") if name.split("/")[0] in PACKAGES and "/migrations/" not in name]


def code_lines(name: str) -> list[tuple[int, str]]:
    """The lines of a module that are neither comment nor docstring."""
    text = (BASE_DIR / name).read_text()
    skipped = {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return [
        (number, line.split("  # ")[0])
        for number, line in enumerate(text.splitlines(), 1)
        if number not in skipped and not line.lstrip().startswith("#")
    ]


@pytest.mark.parametrize(("what", "pattern", "homes"), HOMES, ids=[what for what, _, _ in HOMES])
def test_each_line_is_at_home(what: str, pattern: str, homes: tuple[str, ...]) -> None:
    elsewhere = [
        f"{name}:{number}: {line.strip()}"
        for name in sources()
        if not any(fnmatch(name, home) for home in homes)
        for number, line in code_lines(name)
        if re.search(pattern, line)
    ]

    assert elsewhere == [], f"{what} belongs in {' or '.join(homes)}"


@pytest.mark.parametrize(("what", "pattern", "homes"), HOMES, ids=[what for what, _, _ in HOMES])
def test_each_home_is_lived_in(what: str, pattern: str, homes: tuple[str, ...]) -> None:
    """A pattern that matches nothing at all would hold nothing."""
    at_home = [
        name
        for name in sources()
        if any(fnmatch(name, home) for home in homes) and any(re.search(pattern, line) for _, line in code_lines(name))
    ]

    assert at_home, f"the pattern for {what} matches nothing any more"


def test_no_module_is_two_rooms() -> None:
    long = [
        f"{name}: {length}"
        for name in [*sources(), *tracked("run.py", "*/static/*.js")]
        if "/vendor/" not in name
        if (length := len((BASE_DIR / name).read_text().splitlines())) > LONGEST_MODULE
    ]

    assert long == []


def test_upper_floors_import_lower_ones_and_never_the_reverse() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_nothing_says_where_packages_come_from() -> None:
    address = re.compile(r"index-url|find-links|/simple/|files\.pythonhosted|pypi\.org|registry\.npmjs", re.IGNORECASE)
    own = Path(__file__).relative_to(BASE_DIR).as_posix()

    found = [
        name
        for name in tracked()
        if name != own and address.search((BASE_DIR / name).read_text(encoding="utf-8", errors="ignore"))
    ]

    assert found == []


def test_every_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
    declared = {_plain(name) for name in project["dependencies"]}
    for_development = {_plain(name) for name in project["optional-dependencies"]["dev"]}

    missing = {
        f"{top} in {name}"
        for name in sources()
        for top in _imported(name)
        if DISTRIBUTIONS.get(top, _plain(top)) not in declared | (for_development if name in DEVELOPERS else set())
    }

    assert missing == set()


DEVELOPERS = {"config/launch/locks.py", "config/launch/messages.py"}  # of commands that only developers have
DISTRIBUTIONS = {
    "axes": "django-axes",
    "corsheaders": "django-cors-headers",
    "django_filters": "django-filter",
    "environ": "django-environ",
    "rest_framework": "djangorestframework",
    "rest_framework_simplejwt": "djangorestframework-simplejwt",
    "csp": "django-csp",
    "asgiref": "django",  # Django's own, which it re-exports nothing of
    "twisted": "daphne",  # what Daphne is made of, and looked into beside it alone
}


def _plain(requirement: str) -> str:
    return re.split(r"[\s\[<>=;~!]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _imported(name: str) -> set[str]:
    """The third-party packages that a module imports, wherever in it."""
    modules = set()
    for node in ast.walk(ast.parse((BASE_DIR / name).read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules.add(node.module)
    tops = {module.split(".")[0] for module in modules}
    # The Python client lies in the checkout too, beside the floors: what it needs is declared as the project's.
    return tops - set(sys.stdlib_module_names) - set(PACKAGES) - {"clients"}
