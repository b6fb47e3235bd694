"""Notices to one user, to one family, or to everyone."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from accounts.models import Family, User
from ledger.errors import LedgerError
from ledger.models import Notification


def send(
    title: str,
    message: str = "",
    *,
    level: str = Notification.Level.INFO,
    user: User | None = None,
    family: Family | None = None,
    created_by: User | None = None,
    expires_at: datetime | None = None,
) -> Notification:
    """Send a notice to ``user``, or to ``family``, or, with neither, to everyone. Raises LedgerError for both."""
    if user is not None and family is not None:
        raise LedgerError(_("A notice goes to a user or to a family, not to both: send two."))
    if level not in Notification.Level.values:
        raise LedgerError(
            _("{given} is no level: {known}.").format(given=repr(level), known=", ".join(Notification.Level.values))
        )
    return Notification.objects.create(
        level=level,
        title=title,
        message=message,
        user=user,
        family=family,
        created_by=created_by,
        expires_at=expires_at,
    )
