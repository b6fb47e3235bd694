"""All that is checked without running tests: style, types, floors, migrations, settings, OpenAPI, locks, scripts."""

import shlex
import sys
from pathlib import Path

from config import env
from config.launch import node
from config.launch.programs import run

BIN = Path(sys.executable).parent
# A production installation as the documentation describes it; nothing is reached at these addresses.
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "only-to-check-the-settings-with-it-0123456789-ABCDEFGHIJKLMNOPQ",
    "JWT_SIGNING_KEY": "only-to-check-the-settings-with-it-0123456789",
    "DATABASE_URL": "postgresql://ledger:secret@db.example.org/ledger",
    "REDIS_URL": "redis://redis.example.org:6379/0",
    "ALLOWED_HOSTS": "ledger.example.org",
    "ALLOWED_ORIGINS": "https://ledger.example.org",
    "PROXIES": "127.0.0.1",
}
DEVELOPMENT = {"DEBUG": "1", "DATABASE_URL": "sqlite:///var/lint.sqlite3", "REDIS_URL": ""}
CHECKS: tuple[tuple[str, dict[str, str]], ...] = (
    ("ruff check .", DEVELOPMENT),
    ("ruff format --check .", DEVELOPMENT),
    ("mypy", DEVELOPMENT),
    ("lint-imports", DEVELOPMENT),
    ("python manage.py makemigrations --check --dry-run", DEVELOPMENT),
    ("python manage.py check --deploy --fail-level WARNING", PRODUCTION),
    ("python manage.py spectacular --validate --fail-on-warn --file var/openapi.yaml", DEVELOPMENT),
)


def lint() -> int:
    """Run every check, also after one has failed; return 0 when all passed."""
    failed = [line for line, variables in CHECKS if not _passes(line, variables)]
    if not _locks_pass():
        failed.append("the locks")
    if not _scripts_pass():
        failed.append("tsc")
    for line in failed:
        print(f"failed: {line}", flush=True)
    return 1 if failed else 0


def _passes(line: str, variables: dict[str, str]) -> bool:
    print(f"$ {line}", flush=True)
    program, *arguments = shlex.split(line)
    return run([str(BIN / program), *arguments], env.variables() | variables) == 0


def _locks_pass() -> bool:
    from config.launch import locks  # with packages that only this needs

    print("$ the locks, against requirements/unsafe.toml", flush=True)
    return locks.locks() == 0


def _scripts_pass() -> bool:
    print("$ tsc --project tsconfig.json", flush=True)
    command = node.typescript()
    if command is None:
        print("!!! SKIPPED: the types of the scripts. That needs node, and npm for TypeScript.", flush=True)
        return True
    return run(command, env.variables()) == 0
