"""Sessions in the database, as Django keeps them; a cookie that cannot be the key of one is no key.

Separate because Django takes whatever text a browser sends, and PostgreSQL refuses a null character with an error.
"""

from __future__ import annotations

from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore


class SessionStore(DatabaseStore):
    """Django's own, for the keys that it makes."""

    def _validate_session_key(self, key: str) -> bool:
        is_long_enough: bool = super()._validate_session_key(key)  # type: ignore[misc]  # which its stubs do not know
        return is_long_enough and set(key) <= set(VALID_KEY_CHARS)
