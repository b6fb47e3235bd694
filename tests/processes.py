"""Finding the processes that a test started, also those that their parent has left behind."""

import secrets
from pathlib import Path

MARK = "TEST_MARK"


def new_mark() -> dict[str, str]:
    """Return a variable for the environment of a program, by which all of its descendants are found."""
    return {MARK: secrets.token_hex(8)}


def marked(mark: dict[str, str]) -> list[str]:
    """Return the command lines of the living processes that have the mark."""
    wanted = f"{MARK}={mark[MARK]}".encode()
    return [line for path in Path("/proc").glob("[0-9]*") if (line := _command_if(path, wanted))]


def _command_if(process: Path, wanted: bytes) -> str | None:
    try:
        if wanted not in (process / "environ").read_bytes().split(b"\0"):
            return None
        if "\nState:\tZ" in (process / "status").read_text():
            return None
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
