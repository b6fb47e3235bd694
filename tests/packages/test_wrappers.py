"""The packages for React, Vue with Pinia, and mini-programs: their own tests, on them as they are packed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packages.conftest import call


@pytest.mark.parametrize("name", ["react", "vue", "mini-program"])
def test_a_packed_wrapper_does_what_its_own_tests_say(name: str, unpack: Callable[[str], None], workshop: Path) -> None:
    unpack(name)
    tests = sorted(str(path) for path in (workshop / name / "tests").glob("*.test.mjs"))

    done = call("node", "--test", "--test-reporter", "tap", *tests, cwd=workshop / name)

    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) >= 5
