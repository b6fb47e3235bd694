#!/usr/bin/env python3
"""Prepares the project's environment and runs one of its commands in it.

    python3 run.py demo      serve the demo at http://127.0.0.1:8012/  (--port --workers --fresh)
    python3 run.py test      run the test suite; arguments are pytest's
    python3 run.py lint      check style, types, floors, migrations, production settings, OpenAPI, locks and scripts
    python3 run.py messages  gather what people read, and compile its translations
    python3 run.py bench     measure; arguments are the benchmark's
    python3 run.py autobahn  hold the WebSocket server against the Autobahn test suite  (--help)
    python3 run.py faults    break the product in every way there is; arguments are names of faults  (--help)
    python3 run.py fuzz      feed bytes made by chance to what reads those of strangers  (--help)
    python3 run.py manage    run manage.py; arguments are its own
    python3 run.py serve     serve the installation that the environment describes  (--help)

Standard library alone, for a machine that has nothing but python3, pip and git. Everything it makes lies in
the checkout: the environment in .venv, tools and caches in .tools, data in var. Only test and faults, as root on
Debian, install packages of Debian's that they need.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
TOOLS = ROOT / ".tools"
STAMP = VENV / ".installed"  # the digests of the locks that are wholly installed
UNFINISHED = VENV / ".installing"  # there while an installation is under way, and after one was cut short
OLDEST = (3, 11)
RUNTIME, DEVELOPMENT = "django-5.2.txt", "django-5.2-dev.txt"
LOCKS = {
    "demo": RUNTIME,
    "serve": RUNTIME,
    "manage": RUNTIME,
    "test": DEVELOPMENT,
    "lint": DEVELOPMENT,
    "bench": DEVELOPMENT,
    "autobahn": DEVELOPMENT,
    "faults": DEVELOPMENT,
    "messages": DEVELOPMENT,
    "fuzz": DEVELOPMENT,
}


class Failed(Exception):
    """Something the user has to mend; printed without a traceback."""


def main(arguments: list[str]) -> int:
    """Become the command that ``arguments`` name; return an exit code when that is not possible."""
    command = arguments[0] if arguments else "--help"
    if command in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    if command not in LOCKS:
        print(f"error: no command {command!r}; there are {', '.join(LOCKS)}", file=sys.stderr)
        return 2
    try:
        prepare(LOCKS[command])
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    os.chdir(ROOT)
    return os.execve(PYTHON, [str(PYTHON), "-m", "config.launch", *arguments], environment())  # noqa: S606


def environment() -> dict[str, str]:
    """This process's environment, with a place for compiled modules: a server starts three times as fast from them."""
    variables = {"PYTHONPYCACHEPREFIX": str(TOOLS / "pycache"), **os.environ}
    # Who keeps their sources free of such files finds none among them.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables


def prepare(lock: str) -> None:
    """Have everything that ``lock`` lists installed in .venv."""
    TOOLS.mkdir(exist_ok=True)
    with only_one():
        if UNFINISHED.exists() or not usable(PYTHON):
            make_environment()
        if not installed(lock):
            install(lock)


def installed(lock: str) -> bool:
    """Whether ``lock``, or the development lock that holds all of it, is installed as it stands now."""
    stamps = json.loads(STAMP.read_text()) if STAMP.exists() else []
    return any(digest(name) in stamps for name in (lock, DEVELOPMENT))


def install(lock: str) -> None:
    """Install ``lock`` with uv, else with pip, and stamp the environment with it at the very end."""
    print(f"Installing requirements/{lock} in .venv …", file=sys.stderr, flush=True)
    UNFINISHED.touch()
    path = str(ROOT / "requirements" / lock)
    attempts = [
        lambda: uv("pip", "install", "--quiet", "--python", str(PYTHON), "--require-hashes", "-r", path),
        lambda: pip("--python", str(PYTHON), "install", "--quiet", "--require-hashes", "-r", path),
    ]
    if not any(attempt() for attempt in attempts):
        raise Failed("the packages could not be installed; see above. Both uv and pip were tried.")
    STAMP.write_text(json.dumps([digest(lock)]))
    UNFINISHED.unlink()


def make_environment() -> None:
    """Make .venv anew, from this Python or, where it is too old, from one that uv finds."""
    shutil.rmtree(VENV, ignore_errors=True)
    recent = sys.version_info >= OLDEST
    wanted = sys.executable if recent else ">={}.{}".format(*OLDEST)
    if uv("venv", "--quiet", "--python", wanted, str(VENV)):
        return
    if not recent:
        raise Failed("Python {}.{} or later is needed".format(*OLDEST))
    # Without pip: Debian's python3 has none to put in; the one beside it installs from outside.
    if subprocess.call([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)]) or not usable(PYTHON):
        raise Failed("no environment could be made: install uv, or Debian's python3-venv")


def usable(python: Path) -> bool:
    """Whether ``python`` starts and is recent enough."""
    check = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    return python.exists() and subprocess.call([str(python), "-c", check], stderr=subprocess.DEVNULL) == 0


def uv(*arguments: str) -> bool:
    """Run uv, which is installed in .tools if the machine has none; return whether it succeeded."""
    own = TOOLS / "bin" / "uv"
    program = shutil.which("uv") or (str(own) if own.exists() or pip_uv() else None)
    if program is None:
        return False
    places = {"UV_CACHE_DIR": TOOLS / "uv-cache", "UV_PYTHON_INSTALL_DIR": TOOLS / "python"}
    environment = {**{name: str(path) for name, path in places.items()}, **os.environ}
    return subprocess.call([program, *arguments], env=environment) == 0


def pip_uv() -> bool:
    """Install uv in .tools; return whether it succeeded."""
    return pip("install", "--quiet", "--target", str(TOOLS), "uv")


def pip(*arguments: str) -> bool:
    """Run this Python's pip, keeping it within the checkout; return whether it succeeded."""
    environment = {"PIP_CACHE_DIR": str(TOOLS / "pip-cache"), "PIP_ROOT_USER_ACTION": "ignore", **os.environ}
    return subprocess.call([sys.executable, "-m", "pip", *arguments], env=environment) == 0


def digest(lock: str) -> str:
    """Return what changes when the lock's contents do."""
    return hashlib.sha256((ROOT / "requirements" / lock).read_bytes()).hexdigest()


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the checkout's environment, so that two commands started at once do not both make it."""
    with open(TOOLS / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
