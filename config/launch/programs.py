"""Starting other programs of the project, which end when this one does."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from types import FrameType
from typing import NoReturn

from config.env import BASE_DIR
from config.services.supervisor import die_with

MANAGE = BASE_DIR / "manage.py"
STOPPED = 128 + signal.SIGTERM


class CommandFailed(Exception):
    """The user's to mend: printed as one sentence, without a traceback."""


def run(command: list[str], variables: Mapping[str, str]) -> int:
    """Run a program in the checkout to its end and return its exit code. It does not outlive this process."""
    parent = os.getpid()
    return subprocess.run(
        command, cwd=BASE_DIR, env=dict(variables), check=False, preexec_fn=lambda: die_with(parent)
    ).returncode


def manage(arguments: list[str], variables: Mapping[str, str]) -> None:
    """Run a management command. Raises CommandFailed when it does."""
    code = run([sys.executable, str(MANAGE), *arguments], variables)
    if code:
        raise CommandFailed(f"manage.py {arguments[0]} ended with exit code {code}")


def become(arguments: list[str], variables: Mapping[str, str]) -> NoReturn:
    """Turn this process into a Python with these arguments, in the checkout."""
    os.chdir(BASE_DIR)
    os.execve(sys.executable, [sys.executable, *arguments], dict(variables))  # noqa: S606


def unwind_on_sigterm() -> None:
    """Have SIGTERM end this process through its ``with`` blocks, as Ctrl-C does."""

    def leave(signum: int, frame: FrameType | None) -> None:
        sys.exit(STOPPED)

    signal.signal(signal.SIGTERM, leave)
