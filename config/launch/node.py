"""Finds node, and installs what the scripts are checked and tested with where npm can.

Separate because the scripts themselves need no tool at all: where there is no npm, only these checks are left out.
Everything lies in .tools; clients/node_modules leads there, since node looks for packages above the module that asks.
"""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config import env

HOME = env.BASE_DIR / ".tools" / "node"
CACHE = env.BASE_DIR / ".tools" / "npm-cache"
LOCKED = ("package.json", "package-lock.json")
PACKAGES = HOME / "node_modules"
LINK = env.BASE_DIR / "clients" / "node_modules"
FINISHED = HOME / ".installed"
INSTALL_TIMEOUT = 180  # seconds


def packages() -> Path | None:
    """Return the folder of the packages that the lock names, installed if need be; None where that is not possible."""
    npm = shutil.which("npm")
    if shutil.which("node") is None:
        return None
    HOME.mkdir(parents=True, exist_ok=True)
    with _only_one():
        if not _is_installed() and (npm is None or not _install(npm)):
            return None
        _lead_there()
    return PACKAGES


def typescript() -> list[str] | None:
    """Return the command that checks the types of the scripts, None where there is no node or npm."""
    found = packages()
    if found is None:
        return None
    return ["node", str(found / "typescript" / "bin" / "tsc"), "--project", "tsconfig.json"]


def environment() -> dict[str, str]:
    """Return the environment in which npm keeps within the checkout what it keeps."""
    return {**env.variables(), "npm_config_cache": str(CACHE), "npm_config_update_notifier": "false"}


def _is_installed() -> bool:
    return FINISHED.exists() and all((HOME / name).read_bytes() == _locked(name) for name in LOCKED)


def _install(npm: str) -> bool:
    """Install what the lock names; npm checks it against the hashes there."""
    FINISHED.unlink(missing_ok=True)
    for name in LOCKED:
        (HOME / name).write_bytes(_locked(name))
    bounds = ["--fetch-retries", "1", "--fetch-timeout", "30000"]
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--omit", "optional"]
    command = [npm, "ci", "--prefix", str(HOME), *bounds, *options]
    try:
        done = subprocess.run(command, env=environment(), timeout=INSTALL_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode == 0:
        FINISHED.touch()
    return done.returncode == 0


def _lead_there() -> None:
    target = Path("..") / PACKAGES.relative_to(env.BASE_DIR)
    if LINK.is_symlink() and LINK.readlink() == target:
        return
    LINK.unlink(missing_ok=True)
    LINK.symlink_to(target)


def _locked(name: str) -> bytes:
    return (env.BASE_DIR / name).read_bytes()


@contextmanager
def _only_one() -> Iterator[None]:
    """Hold the packages, so that two who need them at once do not both install them."""
    with open(HOME / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
