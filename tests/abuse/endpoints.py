"""Every address that Django answers, read from the resolver itself, so that none can be forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver

_PLACE = re.compile(r"<[^>]+>")


@dataclass(frozen=True)
class Endpoint:
    """One pattern, as a path with ``<names>`` in it."""

    path: str
    name: str

    @property
    def is_admins(self) -> bool:
        return self.path.startswith("/admin/")

    @property
    def takes_ids(self) -> bool:
        return _PLACE.search(self.path) is not None

    def addresses(self, ids: Iterable[str]) -> list[str]:
        """The path with each id in every place; the path itself where there is no place for one."""
        return [_PLACE.sub(id, self.path) for id in ids] if self.takes_ids else [self.path]


def endpoints() -> list[Endpoint]:
    """All of them, in the resolver's order, each once."""
    return list(dict.fromkeys(_walk(get_resolver().url_patterns, "")))


def _walk(patterns: Iterable[URLPattern | URLResolver], before: str) -> Iterator[Endpoint]:
    for pattern in patterns:
        path = before + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield Endpoint(_plain(path), pattern.name or "")


def _plain(path: str) -> str:
    """A path without the signs of regular expressions and converters."""
    path = re.sub(r"<[a-z]+:(\w+)>", r"<\1>", path)
    return str(simplify_regex(path)).replace("\\Z", "").replace("\\.", ".")
