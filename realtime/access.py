"""Who may read the topics that belong to nobody's app: ``global`` and ``staff``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from realtime.protocol.errors import ProtocolError
from realtime.topics import Kind


def present(user: Any) -> Any:
    """The user as the database has them now: a connection holds its own copy for hours.

    Raises ProtocolError ``unauthenticated`` for one who is gone or deactivated.
    """
    fresh = get_user_model()._default_manager.filter(pk=user.pk, is_active=True).first()
    if fresh is None:
        raise ProtocolError("unauthenticated")
    return fresh


def may_see_figures(user: Any) -> bool:
    """Whether the user may see how the installation is doing."""
    return bool(user.is_active and user.is_staff)


class _OpenKind(Kind):
    """One topic, which nobody joins: whoever may read it could from their first day on."""

    keyed = False

    def since(self, user: Any) -> datetime | None:
        return getattr(user, "date_joined", None)


class GlobalKind(_OpenKind):
    """System notices, for anyone who is signed in."""

    name = "global"

    def audience(self, key: str) -> QuerySet[Any]:
        return get_user_model()._default_manager.filter(is_active=True)

    def readable(self, user: Any, keys: Collection[str]) -> set[str]:
        return {""} if user.is_authenticated and user.is_active else set()

    def automatic(self, user: Any) -> set[str]:
        return self.readable(user, {""})


class StaffKind(_OpenKind):
    """Alerts and operations figures, for staff who ask."""

    name = "staff"

    def audience(self, key: str) -> QuerySet[Any]:
        return get_user_model()._default_manager.filter(is_active=True, is_staff=True)

    def readable(self, user: Any, keys: Collection[str]) -> set[str]:
        return {""} if may_see_figures(user) else set()
