"""The test suite on every stack that the project supports and this machine has an interpreter for.

Separate from run.py, which uses one stack and must work without nox: ``.venv/bin/nox``. And the contract on every
server that is not ours, which takes some minutes for each: ``.venv/bin/nox -s server``.
"""

import shutil
import sys
from pathlib import Path

import nox

nox.options.sessions = ["stack"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False

STACKS = {"3.11": "django-5.2-dev.txt", "3.13": "django-6.1-dev.txt"}
SERVERS = ["daphne", "uvicorn-sansio", "uvicorn-wsproto", "hypercorn", "granian"]
PYENV = Path.home() / ".pyenv" / "versions"


def interpreter(version: str) -> str | None:
    """Return the path of an installed Python of this version: one of pyenv's, or on the PATH."""
    # pyenv's first: its shims on the PATH start nothing unless that version is chosen.
    found = sorted(PYENV.glob(f"{version}.*/bin/python"))
    return str(found[-1]) if found else shutil.which(f"python{version}")


@nox.session(venv_backend="none")
@nox.parametrize("version", list(STACKS))
def stack(session: nox.Session, version: str) -> None:
    """Run the suite on one stack, in an environment of its own below .nox."""
    python = interpreter(version)
    if python is None:
        session.skip(f"NO PYTHON {version} ON THIS MACHINE: this stack is not tested")
    home = Path(".nox") / f"py{version}"
    session.run(sys.executable, "-m", "virtualenv", "--quiet", "--python", python, str(home), external=True)
    inside = str(home / "bin" / "python")
    lock = f"requirements/{STACKS[version]}"
    session.run(inside, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock, external=True)
    session.run(inside, "-m", "config.launch", "test", *session.posargs, external=True)


@nox.session(venv_backend="none")
@nox.parametrize("name", SERVERS)
def server(session: nox.Session, name: str) -> None:
    """Hold one of the other servers against the whole contract, in the environment that nox itself runs in."""
    command = [sys.executable, "-m", "config.launch", "test", "tests/contract"]
    session.run(*command, *session.posargs, env={"TEST_SERVER": name}, external=True)
