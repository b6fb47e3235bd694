"""docs/guarantees.md names tests that are there: a promise nobody holds is none."""

from __future__ import annotations

import ast
import re

import pytest

from config.env import BASE_DIR
from tests.faults.registry import SCENARIOS

PAGE = (BASE_DIR / "docs" / "guarantees.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)(?:\[([\w-]+)\])?`", PAGE)
PROMISED = PAGE.split("## Promised")[1].split("## Not promised")[0]


@pytest.mark.parametrize(("file", "name", "case"), NAMED)
def test_a_test_that_shows_a_promise_exists(file: str, name: str, case: str) -> None:
    tree = ast.parse((BASE_DIR / file).read_text())

    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    if case:
        assert SCENARIOS[case].is_quick


def test_each_promise_has_a_test() -> None:
    promises = re.split(r"^(?=\*\*)", PROMISED.strip(), flags=re.MULTILINE)[1:]

    assert len(promises) > 5
    assert [promise.splitlines()[0] for promise in promises if "`tests/" not in promise] == []


def test_every_quick_fault_shows_a_promise() -> None:
    shown = {case for _, name, case in NAMED if name == "test_it_is_survived"}

    assert shown == {each.name for each in SCENARIOS.values() if each.is_quick}
