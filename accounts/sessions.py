"""Signing out: everything a user holds, tokens and browser sessions alike, ends at once and everywhere.

Separate because REST, the sign-out page and the admin all come here. It only raises ``User.sign_outs``;
tokens and sessions that hold an older number are refused (``authentication``,
``User.get_session_auth_hash``), and the changed row closes open connections (``signals``).
"""

from __future__ import annotations

from uuid import UUID

from django.db.models import F

from accounts.models import User


def sign_out(user_id: UUID) -> None:
    """End all of the user's tokens, sessions, connections and streams. A new sign-in is not affected."""
    User.objects.filter(pk=user_id).update(sign_outs=F("sign_outs") + 1)
