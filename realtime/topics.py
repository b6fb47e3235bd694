"""Topics, and who may read them.

A topic is ``kind:key`` or, for a kind of one topic, the kind alone. The apps that own a kind register it here with
its rights, so that ``realtime`` can ask without knowing what a family or an account is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NewType

from django.db.models import QuerySet

Topic = NewType("Topic", str)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MAX_LENGTH = 100


class InvalidTopic(ValueError):
    """The text names no topic of this project."""


class Kind:
    """The topics of one sort of thing and who may read them. Subclassed in ``access.py``, registered in ``ready()``."""

    name: str
    keyed = True
    has_presence = False

    def presence(self, key: str, user_id: str, online: bool) -> tuple[str, Mapping[str, Any]]:
        """Type and data of the ephemeral event that tells who came or left; asked where ``has_presence``."""
        raise NotImplementedError

    def readable(self, user: Any, keys: Collection[str]) -> set[str]:
        """Which of ``keys`` the user may read now. For a kind without keys the only key is ``""``."""
        raise NotImplementedError

    def automatic(self, user: Any) -> set[str]:
        """The keys a connection of this user is subscribed to without asking."""
        return set()

    def since(self, user: Any) -> datetime | None:
        """From when on the user may read such a topic where no control entry tells of a joining; None: from ever."""
        return None

    def audience(self, key: str) -> QuerySet[Any] | None:
        """The users who may read such a topic now, for people who ask who; None where they cannot be counted."""
        return None

    def rows(self, keys: Collection[str] | None = None) -> Sequence[QuerySet[Any]] | None:
        """The same two rights for an active user whose key is ``OuterRef("pk")``, as rows: fast, and kept for a while.

        Querysets whose only column, ``topic_key``, is a UUID: together they give those of ``keys`` that the user may
        read or, without ``keys``, those that come without asking. Rights that are given so are read for many users in
        one statement and kept for ``RIGHTS_CACHE`` seconds, until a control entry about the user: give them only if
        each change of them writes one. Without ``keys`` it is asked once per process: the rows hold no moment. None:
        they are asked for user by user, whenever somebody connects.
        """
        return None


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Make ``kind`` known. Registering a name again replaces it."""
    _kinds[kind.name] = kind


def kinds() -> tuple[Kind, ...]:
    """Every known kind, by name."""
    return tuple(kind for _, kind in sorted(_kinds.items()))


def topic(kind: str, key: object = "") -> Topic:
    """Build the topic of a thing; raise InvalidTopic for an unknown kind or a key that is no UUID."""
    return parse(f"{kind}:{key}" if key != "" else kind)


def parse(text: str) -> Topic:
    """Check that ``text`` is a topic, exactly as it would be written; raise InvalidTopic otherwise."""
    name, colon, key = text.partition(":")
    kind = _kinds.get(name)
    if kind is None or bool(colon) != kind.keyed or (kind.keyed and not _UUID.fullmatch(key)):
        raise InvalidTopic("not a topic")
    return Topic(text)


def kind_of(name: Topic) -> str:
    """The kind's name of a topic."""
    return name.partition(":")[0]


def since(name: str, user: Any) -> datetime | None:
    """From when on the user may read this topic where no control entry tells of a joining; None: from ever."""
    return _kinds[name.partition(":")[0]].since(user)


def audience(name: str) -> QuerySet[Any] | None:
    """The users who may read this topic now; None where they cannot be counted."""
    kind, _, key = name.partition(":")
    return _kinds[kind].audience(key) if kind in _kinds else None


def has_presence(name: str) -> bool:
    """Whether it is told who is on this topic."""
    kind = _kinds.get(name.partition(":")[0])
    return kind is not None and kind.has_presence


def presence_event(name: str, user_id: str, online: bool) -> tuple[str, Mapping[str, Any]]:
    """Type and data of the event that says who came to, or left, a topic that has presence."""
    kind, _, key = name.partition(":")
    return _kinds[kind].presence(key, user_id, online)


def readable(user: Any, topics: Iterable[str]) -> frozenset[Topic]:
    """Those of ``topics`` that ``user`` may read now. What is malformed or unknown is silently not among them."""
    keys: dict[str, set[str]] = defaultdict(set)
    for text in topics:
        try:
            name, _, key = parse(text).partition(":")
        except InvalidTopic:
            continue
        keys[name].add(key)
    return frozenset(
        _join(name, key) for name, wanted in keys.items() for key in _kinds[name].readable(user, wanted) & wanted
    )


def automatic(user: Any) -> frozenset[Topic]:
    """The topics a connection of ``user`` is subscribed to without asking."""
    return frozenset(_join(name, key) for name, kind in _kinds.items() for key in kind.automatic(user))


def _join(name: str, key: str) -> Topic:
    return Topic(f"{name}:{key}" if key else name)
