"""The pool in C: compiled where it is wanted, by the machine's own compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import time
from array import array
from ctypes import c_char_p, c_double, c_int, c_uint64, c_void_p
from pathlib import Path

from bench.load.pool import EVER, PING, PONG, SOCKET, Counters, Records
from bench.load.wire import text_frame

SOURCE = Path(__file__).with_name("pool.c")
RECORD = 16  # bytes: a double and two 32-bit numbers


def compiler() -> str | None:
    """Return the path of a C compiler."""
    return next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)


def build(folder: Path, source: Path = SOURCE, *options: str) -> Path:
    """Compile ``source`` into ``folder``, unless that was done since it was written; return the file made."""
    target = folder / f"{source.stem}-{int(source.stat().st_mtime)}"
    program = compiler()
    if program is None:
        raise FileNotFoundError("no C compiler: install cc, gcc or clang")
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(".new")
        subprocess.run([program, "-O2", *options, "-o", str(draft), str(source)], check=True)
        draft.replace(target)
    return target


def library(folder: Path) -> ctypes.CDLL:
    """Return the compiled pool with its functions' types."""
    loaded = ctypes.CDLL(str(build(folder, SOURCE, "-shared", "-fPIC")))
    signatures: dict[str, tuple[object, list[object]]] = {
        "new": (c_void_p, [c_int, c_uint64, c_char_p, c_int]),
        "speak": (None, [c_void_p, c_char_p, c_int, c_char_p, c_char_p, c_int]),
        "keep_cursors": (None, [c_void_p, c_int]),
        "add": (c_int, [c_void_p, c_int, c_int, c_char_p, c_int]),
        "run": (None, [c_void_p, c_double, c_uint64, c_int, c_int]),
        "send": (c_int, [c_void_p, c_int, c_char_p, c_int]),
        "cut": (None, [c_void_p, c_int, c_int]),
        "began": (c_double, [c_void_p, c_int]),
        "opened": (c_double, [c_void_p, c_int]),
        "cursor": (c_char_p, [c_void_p, c_int]),
        "complaint": (c_char_p, [c_void_p]),
        "records": (c_void_p, [c_void_p]),
        "recorded": (c_uint64, [c_void_p]),
        "forget": (None, [c_void_p]),
        "free": (None, [c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(loaded, f"pool_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded


class NativePool:
    """A pool whose loop is in C. See ``Pool``."""

    def __init__(
        self, folder: Path, port: int, *, room: int, records: int, hello: bytes = b"", cursors: bool = False
    ) -> None:
        self._c = library(folder)
        self._pool = self._c.pool_new(room, records, b"127.0.0.1", port)
        self._size = 0
        pong = text_frame(PONG)
        self._c.pool_speak(self._pool, hello, len(hello), PING.encode(), pong, len(pong))
        self._c.pool_keep_cursors(self._pool, int(cursors))

    def add(self, request: bytes, *, kind: int = SOCKET, greetings: int = 0) -> int:
        number: int = self._c.pool_add(self._pool, kind, greetings, request, len(request))
        if number < 0:
            raise ValueError("the pool is full")
        self._size = number + 1
        return number

    def run(self, seconds: float, *, marks: int = EVER, opening: bool = False, at_once: int = 64) -> None:
        self._c.pool_run(self._pool, time.monotonic() + seconds, marks, int(opening), at_once)

    def send(self, connection: int, data: bytes) -> bool:
        return bool(self._c.pool_send(self._pool, connection, data, len(data)))

    def cut(self, first: int, last: int) -> None:
        self._c.pool_cut(self._pool, first, last)

    def counters(self) -> Counters:
        return Counters(*(c_uint64 * len(Counters._fields)).from_address(self._pool))

    def records(self) -> Records:
        raw = ctypes.string_at(self._c.pool_records(self._pool), self._c.pool_recorded(self._pool) * RECORD)
        words = array("I", raw)
        return Records(array("d", raw)[::2], words[2::4], words[3::4])

    def forget(self) -> None:
        self._c.pool_forget(self._pool)

    def opened(self) -> list[tuple[float, float]]:
        pairs = ((self._c.pool_began(self._pool, n), self._c.pool_opened(self._pool, n)) for n in range(self._size))
        return [pair for pair in pairs if pair[1]]

    def cursor(self, connection: int) -> str:
        text: bytes = self._c.pool_cursor(self._pool, connection)
        return text.decode()

    def complaint(self) -> str:
        text: bytes = self._c.pool_complaint(self._pool)
        return text.decode(errors="replace")

    def close(self) -> None:
        self._c.pool_free(self._pool)
