"""The check of the locks: nothing is wrong with ours, and each thing that could be is named."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from config.env import BASE_DIR
from config.launch.locks import FOLDER, problems_of

PROJECT = BASE_DIR / "pyproject.toml"
LOCK = "django-5.2.txt"
DJANGO = re.compile(r"^django==[0-9.]+", re.MULTILINE)


def hashless(text: str) -> str:
    """The lock, with nothing known of Django's files."""
    return re.sub(r"^(django==[0-9.]+) \\\n(?:    --hash=\S+(?: \\)?\n)+", r"\1\n", text, flags=re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the locks, to be spoilt."""
    shutil.copytree(FOLDER, tmp_path / "requirements")
    return tmp_path / "requirements"


def test_nothing_is_wrong_with_the_locks() -> None:
    assert list(problems_of(FOLDER, PROJECT)) == []


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda text: DJANGO.sub("django==5.2.7", text), "django 5.2.7 is below 5.2.8: CVE-2025-64459"),
        (lambda text: DJANGO.sub("django>=5.2.9", text), "is not pinned to one version"),
        (hashless, "django has no hash"),
        (lambda text: f"--extra elsewhere\n{text}", "names an address"),
        (lambda text: DJANGO.sub("django @ https://files.example.org/d.whl", text), "names an address"),
        (lambda text: DJANGO.sub("another==5.2.19", text), "django is missing, which pyproject.toml wants"),
        (lambda text: DJANGO.sub("django==7.0", text), "django 7.0 is not what pyproject.toml wants"),
        (lambda text: DJANGO.sub("django==5.2.18", text), "django is not 5.2.18, as django-5.2.txt has it"),
    ],
    ids=["unsafe", "range", "hash", "index", "url", "missing", "wrong", "apart"],
)
def test_what_is_wrong_with_a_lock_is_named(folder: Path, spoil: Callable[[str], str], problem: str) -> None:
    lock = folder / LOCK
    before = lock.read_text()
    lock.write_text(spoil(before))
    assert lock.read_text() != before

    assert any(problem in found for found in problems_of(folder, PROJECT))
