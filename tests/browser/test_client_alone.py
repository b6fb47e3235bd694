"""The browser client alone, under node's own test runner, with sockets and a clock that its tests hold.

Separate from the tests in a real browser: what needs seconds of waiting there takes none here.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "js"
OLDEST_NODE = (20, 19)  # the first that takes a plain .js file for a module by what is in it


def test_the_scripts_do_alone_what_their_own_tests_say() -> None:
    node = _node()

    run = subprocess.run(
        [node, "--test", *sorted(str(script) for script in SCRIPTS.glob("*.test.mjs"))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("THE BROWSER CLIENT IS NOT TESTED ALONE: there is no node on the PATH")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < OLDEST_NODE:
        pytest.skip(f"THE BROWSER CLIENT IS NOT TESTED ALONE: node {version} is older than 20.19")
    return node
