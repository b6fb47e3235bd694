"""Who may read the topics that belong to nobody's app: ``global`` and ``staff``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model

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


class GlobalKind(Kind):
    """System notices, for anyone who is signed in."""

    name = "global"
    keyed = False

    def readable(self, user: Any, keys: Collection[str]) -> set[str]:
        return {""} if user.is_authenticated and user.is_active else set()

    def automatic(self, user: Any) -> set[str]:
        return self.readable(user, {""})


class StaffKind(Kind):
    """Alerts and operations figures, for staff who ask."""

    name = "staff"
    keyed = False

    def readable(self, user: Any, keys: Collection[str]) -> set[str]:
        return {""} if may_see_figures(user) else set()
