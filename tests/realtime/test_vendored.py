"""What was taken over from others is what it says it is: named, versioned, licensed, and unchanged to the byte."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from config.env import BASE_DIR

HOMES = sorted((BASE_DIR / "realtime" / "static" / "realtime" / "vendor").iterdir())


@pytest.mark.parametrize("home", HOMES, ids=[home.name for home in HOMES])
def test_a_vendored_package_is_unchanged_and_says_what_it_is(home: Path) -> None:
    manifest = json.loads((home / "manifest.json").read_text())

    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.iterdir()
        if path.name != "manifest.json"
    }

    assert there == manifest["files"]
    assert manifest["license"] in (home / "LICENSE").read_text()
    assert manifest["name"] == home.name
    assert all(manifest[key] for key in ("version", "origin", "integrity"))


def test_the_plots_are_there_in_the_version_the_manifest_names() -> None:
    home = next(home for home in HOMES if home.name == "uplot")

    version = json.loads((home / "manifest.json").read_text())["version"]

    assert f"(v{version})" in (home / "uPlot.iife.min.js").read_text()[:200]
