"""The processes that a test started: finding them, also those that their parent has left behind, and stopping them.

Which of them answers on a connection is asked of the kernel, since no client can tell.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

MARK = "TEST_MARK"


def new_mark() -> dict[str, str]:
    """Return a variable for the environment of a program, by which all of its descendants are found."""
    return {MARK: secrets.token_hex(8)}


def marked(mark: dict[str, str]) -> list[str]:
    """Return the command lines of the living processes that have the mark."""
    wanted = f"{MARK}={mark[MARK]}".encode()
    return [line for path in Path("/proc").glob("[0-9]*") if (line := _command_if(path, wanted))]


def workers_of(server: int) -> list[int]:
    """Return the ids of the worker processes of a server, whose first process is given."""
    return [child for child in _children(server) if "spawn_main" in _command(child)]


def holder_of(local: int, remote: int) -> int:
    """Return the id of the process that holds the connection of two ports of this machine, at its ``local`` end."""
    inode = _inode(local, remote)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(os.readlink(file) == f"socket:[{inode}]" for file in (process / "fd").iterdir()):
                return int(process.name)
    raise LookupError(f"nobody holds the connection from port {remote} to {local}")


@contextmanager
def frozen(*processes: int) -> Iterator[None]:
    """Stop processes for a while, as a machine that pauses does."""
    with ExitStack() as stack:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
            stack.callback(os.kill, process, signal.SIGCONT)
        yield


def _children(process: int) -> list[int]:
    with suppress(OSError):
        lines = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
        return [int(child) for line in lines for child in line.split()]
    return []


def _command(process: int) -> str:
    with suppress(OSError):
        return (Path("/proc") / str(process) / "cmdline").read_bytes().decode(errors="replace")
    return ""


def _inode(local: int, remote: int) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ends = [int(address.rpartition(":")[2], 16) for address in fields[1:3]]
        if ends == [local, remote]:
            return fields[9]
    raise LookupError(f"no connection from port {remote} to {local}")


def _command_if(process: Path, wanted: bytes) -> str | None:
    try:
        if wanted not in (process / "environ").read_bytes().split(b"\0"):
            return None
        if "\nState:\tZ" in (process / "status").read_text():
            return None
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
