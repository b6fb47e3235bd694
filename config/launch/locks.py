"""Holds the locks against what can be known without a network: pinned, hashed, from nowhere in particular, none bad.

Separate from the checks of the code, which say nothing of what others wrote.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from config import env

FOLDER = env.BASE_DIR / "requirements"
STACKS = {"django-5.2.txt": "django-5.2-dev.txt", "django-6.1.txt": "django-6.1-dev.txt"}
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
# Hashes are the only option that a line of a lock may have: the others say where to look.
_ADDRESS = re.compile(r"://|^\s*(?:-[a-z]|--(?!hash=))| @ ", re.MULTILINE)


@dataclass(frozen=True)
class Locked:
    """One line of a lock: a package, what it is pinned to, and how many files of it are known."""

    name: str
    version: str
    marker: str
    hashes: int


def locks() -> int:
    """Say what is wrong with the locks; return 0 when nothing is."""
    problems = [*problems_of(FOLDER, env.BASE_DIR / "pyproject.toml")]
    for problem in problems:
        print(f"requirements/{problem}", flush=True)
    return 1 if problems else 0


def problems_of(folder: Path, project: Path) -> Iterator[str]:
    """Everything that is wrong with the locks in a folder, each with the file that it is wrong in."""
    unsafe = tomllib.loads((folder / "unsafe.toml").read_text())["package"]
    wanted = [Requirement(text) for text in tomllib.loads(project.read_text())["project"]["dependencies"]]
    for runtime, development in STACKS.items():
        held = {name: list(_read(folder / name)) for name in (runtime, development)}
        for name, lines in held.items():
            for problem in (*_loose(folder / name, lines), *_unsafe(lines, unsafe), *_missing(lines, wanted)):
                yield f"{name}: {problem}"
        for line in set(_pins(held[runtime])) - set(_pins(held[development])):
            yield f"{development}: {line[0]} is not {line[1]}, as {runtime} has it"


def _read(path: Path) -> Iterator[Locked]:
    text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    for entry in text.replace("\\\n", " ").splitlines():
        if entry.strip():
            requirement, _, _ = entry.partition(" --hash")
            name, _, rest = requirement.partition("==")
            version, _, marker = rest.partition(";")
            hashes = len(_HASH.findall(entry))
            yield Locked(canonicalize_name(name.strip()), version.strip(), marker.strip(), hashes)


def _loose(path: Path, lines: list[Locked]) -> Iterator[str]:
    if found := _ADDRESS.search(path.read_text()):
        yield f"names an address ({found[0].strip()}): a lock says what, not where from"
    for line in lines:
        if not re.fullmatch(r"[0-9][0-9A-Za-z.!+]*", line.version):
            yield f"{line.name} is not pinned to one version"
        if not line.hashes:
            yield f"{line.name} has no hash: anybody's file would do"


def _unsafe(lines: list[Locked], unsafe: list[Mapping[str, str]]) -> Iterator[str]:
    for line in lines:
        for bad in unsafe:
            if line.name == bad["name"] and line.version and Version(line.version) < Version(bad["below"]):
                yield f"{line.name} {line.version} is below {bad['below']}: {bad['reason']}"


def _missing(lines: list[Locked], wanted: list[Requirement]) -> Iterator[str]:
    pinned = {line.name: line.version for line in lines}
    for requirement in wanted:
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None:
            yield f"{requirement.name} is missing, which pyproject.toml wants: run requirements/compile"
        elif version not in requirement.specifier:
            yield f"{requirement.name} {version} is not what pyproject.toml wants: run requirements/compile"


def _pins(lines: list[Locked]) -> list[tuple[str, str, str]]:
    return [(line.name, line.version, line.marker) for line in lines]
