"""How often one address may try to sign in.

Separate from the project's general rates, which are far too generous for guessing passwords.
"""

from __future__ import annotations

from rest_framework.throttling import AnonRateThrottle


class SignInThrottle(AnonRateThrottle):
    """At most the rate ``sign_in`` of ``DEFAULT_THROTTLE_RATES`` from one address, else ``DEFAULT_RATE``."""

    scope = "sign_in"
    DEFAULT_RATE = "20/min"

    def get_rate(self) -> str:
        return self.THROTTLE_RATES.get(self.scope) or self.DEFAULT_RATE
