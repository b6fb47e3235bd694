"""Runs the cases of fuzzingclient.json against a server of its own, and says what came of them.

Needs ``wstest`` of autobahntestsuite, which runs on Python 2.7 alone: in an environment of that Python,
``pip install autobahntestsuite``. Without it this says so and tests nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from config.env import BASE_DIR
from config.services.supervised import Supervised, temporary_directory
from config.services.waiting import wait_until
from tests.live import free_port

HERE = Path(__file__).resolve().parent
REPORTS = BASE_DIR / "var" / "autobahn"
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
START_TIMEOUT = 30.0


def main() -> int:
    """Run the suite; 0 when no case failed, or when there is no suite."""
    parser = argparse.ArgumentParser(prog="run.py autobahn", description=__doc__)
    parser.add_argument("--wstest", default="wstest", help="the program, where it is not on the PATH")
    parser.add_argument("--cases", nargs="+", help="instead of those of fuzzingclient.json, as 1.* or 6.4.1")
    options = parser.parse_args()
    wstest = shutil.which(options.wstest)
    if wstest is None:
        print(f"SKIPPED: there is no {options.wstest}. It runs on Python 2.7: pip install autobahntestsuite there.")
        return 0
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(BASE_DIR)}
    server = Supervised(_server(port), temporary_directory(), temporary=True, environment=environment)
    server.start()
    try:
        wait_until(lambda: "Uvicorn running" in server.log.read_text(), START_TIMEOUT, server.log.read_text)
        subprocess.run([wstest, "-m", "fuzzingclient", "-s", _spec(port, options.cases)], check=True)
    finally:
        server.close()
    return _judge()


def _server(port: int) -> list[str]:
    options = ["--ws", "realtime.server.websocket:WebSocketProtocol", "--lifespan", "off", "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", "tests.autobahn.echo:application", *options]


def _spec(port: int, cases: list[str] | None) -> str:
    spec = json.loads((HERE / "fuzzingclient.json").read_text().replace("{port}", str(port)))
    spec |= {"outdir": str(REPORTS)} | ({"cases": cases} if cases else {})
    path = REPORTS / "fuzzingclient.json"
    path.write_text(json.dumps(spec))
    return str(path)


def _judge() -> int:
    results = json.loads((REPORTS / "index.json").read_text())["realtime"]
    failed = {
        case: result for case, result in results.items() if not {result["behavior"], result["behaviorClose"]} <= PASSED
    }
    counts = Counter(result["behavior"] for result in results.values())
    print(f"{len(results)} cases: {', '.join(f'{count} {behavior}' for behavior, count in counts.most_common())}")
    for case, result in failed.items():
        print(f"{case}: {result['behavior']}, closing {result['behaviorClose']}")
    print(f"{'FAILED' if failed else 'passed'}; the report is {REPORTS / 'index.html'}")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
