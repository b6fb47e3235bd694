"""The same targets under atheris, where that is installed: libFuzzer finds more in an hour than ours does.

Apart from our own engine because it is no dependency: it has no wheels for some machines that the project runs on.
"""

from __future__ import annotations

import sys
from typing import Any

from tests.abuse.fuzz.engine import CORPUS, LONGEST
from tests.abuse.fuzz.targets import TARGETS


def fuzz(name: str, seconds: float, seed: int) -> None:
    """Fuzz one target and end the process: with 0, or otherwise at an input that breaks a promise."""
    import atheris  # type: ignore[import-not-found, unused-ignore]

    target, modules = TARGETS[name]
    for module in modules:
        for found in vars(module).values():
            _instrument(atheris, found, module.__name__)
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    bounds = [f"-max_total_time={max(1, int(seconds))}", f"-max_len={LONGEST}", f"-seed={seed % 2**31}"]
    atheris.Setup([sys.argv[0], str(folder), *bounds, "-verbosity=0", f"-artifact_prefix={name}-"], target)
    atheris.Fuzz()


def _instrument(atheris: Any, found: Any, module: str) -> None:
    """Have the bytecode of a function, or of a class's methods, tell where it goes."""
    if isinstance(found, type) and found.__module__ == module:
        for inner in vars(found).values():
            _instrument(atheris, inner, module)
    elif getattr(found, "__code__", None) is not None and getattr(found, "__module__", None) == module:
        atheris.instrument_func(found)
