"""Finds the TypeScript that checks the types of the browser's scripts, and installs it where npm can.

Separate because the scripts themselves need no tool at all: where there is no npm, only this check is left out.
"""

import shutil

from config import env
from config.launch.programs import run

HOME = env.BASE_DIR / ".tools" / "typescript"
LOCKED = ("package.json", "package-lock.json")
COMPILER = HOME / "node_modules" / "typescript" / "bin" / "tsc"


def command() -> list[str] | None:
    """Return the command that checks the scripts, None where there is no node or npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or (not _is_installed() and (npm is None or not _install(npm))):
        return None
    return [node, str(COMPILER), "--project", "tsconfig.json"]


def _is_installed() -> bool:
    return COMPILER.exists() and all((HOME / name).read_bytes() == _locked(name) for name in LOCKED)


def _install(npm: str) -> bool:
    """Install what the lock names; npm checks it against the hash there."""
    HOME.mkdir(parents=True, exist_ok=True)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    for name in LOCKED:
        (HOME / name).write_bytes(_locked(name))
    return run([npm, "ci", "--prefix", str(HOME), *options], env.variables()) == 0


def _locked(name: str) -> bytes:
    return (env.BASE_DIR / name).read_bytes()
