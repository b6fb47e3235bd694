"""``python3 run.py bench publish|latency|sequence``: one measurement each."""

from __future__ import annotations

import sys
from importlib import import_module

MEASUREMENTS = ("publish", "latency", "sequence")


def main(arguments: list[str]) -> int:
    """Run one measurement; return the exit code."""
    if not arguments or arguments[0] not in MEASUREMENTS:
        print(f"usage: run.py bench {'|'.join(MEASUREMENTS)} [--database sqlite|postgresql]", file=sys.stderr)
        return 2
    import_module(f"bench.{arguments[0]}").main(arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
