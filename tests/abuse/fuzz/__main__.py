"""Fuzz for as long as one likes: new inputs go to the corpus, one that breaks a promise ends it with exit code 1."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.abuse.fuzz import compiled
from tests.abuse.fuzz.engine import Broken, Fuzzer, corpus, keep
from tests.abuse.fuzz.targets import TARGETS


def main(arguments: list[str]) -> int:
    """Fuzz the targets in turn and say what was found."""
    options = _parser().parse_args(arguments)
    targets = options.targets or list(TARGETS)
    if options.atheris:
        compiled.fuzz(targets[0], options.seconds, options.seed)  # it ends the process
    for name in targets:
        fuzzer = Fuzzer(name, options.seed)
        end = time.monotonic() + options.seconds / len(targets)
        try:
            fuzzer.replay(corpus(name))
            known = len(fuzzer.kept)
            for found in fuzzer.run():
                if found:
                    keep(name, found)
                if time.monotonic() > end:
                    break
        except Broken as broken:
            print(broken, file=sys.stderr)
            return 1
        print(f"{name}: {fuzzer.tried} inputs, {len(fuzzer.kept) - known} of them new to the corpus", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all of them, if none is named")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together (60)")
    parser.add_argument("--atheris", action="store_true", help="the first target alone, by atheris if it is installed")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
