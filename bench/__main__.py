"""``python3 run.py bench``: the product beside its peers; or one measurement, such as ``bench latency``."""

from __future__ import annotations

import sys
from importlib import import_module

MEASUREMENTS = {
    "fanout": "bench.everything",
    "profile": "bench.profile",
    "publish": "bench.publish",
    "latency": "bench.latency",
    "sequence": "bench.sequence",
}


def main(arguments: list[str]) -> int:
    """Run one measurement, without a name the whole of ``fanout``; return the exit code."""
    if not arguments or (arguments[0].startswith("--") and arguments[0] != "--help"):
        arguments = ["fanout", *arguments]
    if arguments[0] not in MEASUREMENTS:
        print(f"usage: run.py bench [{'|'.join(MEASUREMENTS)}] [--help] …", file=sys.stderr)
        return 2
    import_module(MEASUREMENTS[arguments[0]]).main(arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
