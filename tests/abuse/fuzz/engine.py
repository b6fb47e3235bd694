"""Finds inputs that reach new lines, by changing those that did: a mutation fuzzer, guided by coverage.

Small and slow beside one that is compiled, and needs no compiler: it runs wherever the tests do.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from tests.abuse.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent.parent / "corpus"
LONGEST = 600  # bytes: what is found in more is found in less
TOKENS = [
    *(bytes((byte,)) for byte in (0, 0x7F, 0x80, 0x81, 0x88, 0x89, 0xC1, 0xDF, 0xFE, 0xFF)),
    b"\r\n",
    b"\r\n\r\n",
    b'{"command":"Ping"}',
    b'"data":{',
    b"\xed\xa0\x80",
    b"\x7e\x00\x7e",
    b"\x7f" + bytes(7) + b"\xff",
    b"NaN",
    b"1e999",
    b"-0",
]

Lines = frozenset[tuple[str, int]]


class Broken(Exception):
    """A target did not keep its promise. ``data`` is what it was given."""

    def __init__(self, target: str, data: bytes, error: BaseException) -> None:
        super().__init__(f"{target} broke on {data!r}: {type(error).__name__}: {error}")
        self.data = data


class Fuzzer:
    """One target, and the inputs that each reached a line which no earlier one did."""

    def __init__(self, name: str, seed: int) -> None:
        self._name = name
        self._target, self._modules = TARGETS[name]
        self._chance = random.Random(seed)
        self._reached: set[tuple[str, int]] = set()
        self.kept: list[bytes] = []
        self.tried = 0

    def replay(self, inputs: Iterable[bytes]) -> None:
        """Take what was found before. Raises Broken."""
        for data in inputs:
            self._try(data, keep=True)

    def run(self) -> Iterator[bytes]:
        """Go on for ever: yield each input that reaches something new, and b"" for the others. Raises Broken."""
        while True:
            data = self._mutated()
            yield data if self._try(data) else b""

    def _try(self, data: bytes, *, keep: bool = False) -> bool:
        self.tried += 1
        try:
            reached = lines_of(self._target, data, self._modules)
        except (Exception, RecursionError) as error:
            raise Broken(self._name, data, error) from error
        is_new = not reached <= self._reached
        if is_new or keep:
            self._reached |= reached
            self.kept.append(data)
        return is_new

    def _mutated(self) -> bytes:
        chance = self._chance
        data = bytearray(chance.choice(self.kept) if self.kept else b"")
        for _ in range(1 << chance.randrange(4)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(6):
                case 0:
                    data[at:at] = chance.choice(TOKENS)
                case 1:
                    data[at : at + chance.randrange(1, 8)] = b""
                case 2 if data:
                    data[at % len(data)] = chance.randrange(256)
                case 3 if data:
                    data[at % len(data)] ^= 1 << chance.randrange(8)
                case 4 if self.kept:
                    other = chance.choice(self.kept)
                    start = chance.randrange(len(other) + 1)
                    data[at:at] = other[start : start + chance.randrange(1, 40)]
                case _:
                    data[at:at] = bytes(data[at : at + chance.randrange(1, 20)])
        return bytes(data[:LONGEST])


def corpus(name: str) -> list[bytes]:
    """The committed inputs of a target."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def keep(name: str, data: bytes) -> None:
    """Commit an input to a target's corpus, under a name made of what it is."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def lines_of(target: Target, data: bytes, modules: tuple[ModuleType, ...]) -> Lines:
    """The lines of the modules that the target reaches with this input."""
    files = {str(module.__file__) for module in modules}
    reached: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        target(data)
    finally:
        sys.settrace(before)
    return frozenset(reached)
