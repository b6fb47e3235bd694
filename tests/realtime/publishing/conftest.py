"""Families, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from accounts.models import Family
from realtime.signals import changed


class Told(NamedTuple):
    """What a receiver of ``changed`` saw of a family: (name, version) before and after."""

    before: tuple[str, int] | None
    after: tuple[str, int] | None


def seen(family: Family | None) -> tuple[str, int] | None:
    return None if family is None else (family.name, family.version)


@pytest.fixture
def told() -> Iterator[list[Told]]:
    """What is told of families from here on. Values are taken at once, as a receiver would."""
    heard: list[Told] = []

    def hear(sender: type, before: Any, after: Any, using: str, **kwargs: Any) -> None:
        assert using == "default"
        heard.append(Told(seen(before), seen(after)))

    changed.connect(hear, sender=Family, weak=False)
    yield heard
    changed.disconnect(hear, sender=Family)


@pytest.fixture
def stone(db: None) -> Family:
    return Family.objects.create(name="Stone")


@pytest.fixture
def three(db: None) -> list[Family]:
    """Three families with the version 1, in key order."""
    return sorted((Family.objects.create(name=name) for name in ("A", "B", "C")), key=lambda row: row.pk)
