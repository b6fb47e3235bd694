"""``python3 run.py faults``: break the product in every way there is, and report what it survived.

Needs root for what befalls the network; what cannot be done on this machine is left out, and said aloud.
"""

from __future__ import annotations

import argparse
import os
import sys
from itertools import groupby

# Before anything that reads Django's settings; nothing here touches the database that they name.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("LOG_LEVEL", "WARNING")

import django

django.setup()

from tests.faults import report  # noqa: E402
from tests.faults.plants import PLANTS  # noqa: E402
from tests.faults.play import CLIENTS, Hands, Result, play  # noqa: E402
from tests.faults.registry import SCENARIOS  # noqa: E402
from tests.faults.rig import Rig, abilities  # noqa: E402
from tests.faults.scenario import Scenario  # noqa: E402


def main(arguments: list[str]) -> int:
    """Play what is asked for; 0 when all of it was survived."""
    options = _parser().parse_args(arguments)
    if options.list:
        for each in SCENARIOS.values():
            print(f"{each.name:24} {each.what}")
        return 0
    unknown = [name for name in options.names if name not in SCENARIOS]
    if unknown:
        print(f"error: no fault {unknown[0]!r}; --list shows them", file=sys.stderr)
        return 2
    chosen = [SCENARIOS[name] for name in options.names or SCENARIOS if _is_possible(SCENARIOS[name])]
    results = [result for setup in _by_setup(chosen) for result in _play(setup, options)]
    print(f"the whole report is {report.HOME / 'report.md'} and report.json", flush=True)
    if options.page:
        report.write_page()
    return 0 if all(result.survived for result in results) else 1


def _is_possible(scenario: Scenario) -> bool:
    missing = scenario.needs - abilities()
    if missing:
        print(f"!!! SKIPPED: {scenario.name}. This machine has no {', '.join(sorted(missing))}.", flush=True)
    return not missing


def _by_setup(chosen: list[Scenario]) -> list[list[Scenario]]:
    """Those that can share an installation, together."""
    setups = list(dict.fromkeys(each.setup for each in chosen))
    ordered = sorted(chosen, key=lambda each: setups.index(each.setup))
    return [list(same) for _, same in groupby(ordered, key=lambda each: each.setup)]


def _play(scenarios: list[Scenario], options: argparse.Namespace) -> list[Result]:
    results = []
    with Rig(scenarios[0].setup, plant=options.plant) as rig, Hands(rig) as hands:
        for scenario in scenarios:
            seconds = options.seconds or scenario.seconds
            print(f"--- {scenario.name}: {scenario.what}", flush=True)
            results.append(play(rig, hands, scenario, clients=options.clients, seconds=seconds))
            print(report.line(results[-1]), flush=True)
            report.keep_log(scenario.name, rig.server.log())
            if not options.plant:
                report.keep(results[-1])
    return results


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to try; without names, all")
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument("--seconds", type=float, help="how long each lasts, instead of its own time")
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"clients that listen ({CLIENTS})")
    parser.add_argument("--page", action="store_true", help="write docs/faults.md from what is known of all faults")
    parser.add_argument("--plant", default="", choices=PLANTS, help="break the product itself, to see it found")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
