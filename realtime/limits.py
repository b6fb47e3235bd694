"""Every limit that a client can reach, by the name of its setting, and where it is counted that one did.

Separate so that no transport forgets to count, and so that the table in the documents is the one in the code.
"""

from __future__ import annotations

from typing import NamedTuple

from realtime.metrics import metrics
from realtime.protocol.errors import KINDS, ProtocolError


class Limit(NamedTuple):
    """One setting, what it bounds, and what who goes beyond it is answered."""

    setting: str
    bounds: str
    answer: str


_ERROR = "`Error {code}`; the connection stays open, until `MAX_VIOLATIONS` of them"
_CONNECTIONS = (
    "HTTP 429 `too_many_connections` with `Retry-After`; "
    f"{KINDS['too_many_connections'].close_code} where the server accepted first"
)
_RATE = f"{_ERROR.format(code='rate_limited')} ({KINDS['rate_limited'].close_code})"
_SLOW = f"closed with {KINDS['too_slow'].close_code}"

LIMITS = (
    Limit(
        "UNAUTHENTICATED_SECONDS",
        "seconds until a request is whole, and from there until its client is admitted",
        "HTTP 408 or 503 `unavailable`, then closed",
    ),
    Limit("MAX_CONNECTIONS", "WebSockets and streams of one process", _CONNECTIONS),
    Limit("MAX_ADDRESS_CONNECTIONS", "those from one address, or one IPv6 network of 64 bits, on all", _CONNECTIONS),
    Limit("MAX_USER_CONNECTIONS", "those of one user, on all processes", _CONNECTIONS),
    Limit("MAX_USER_STREAMS", "of these, event streams", _CONNECTIONS),
    Limit(
        "MAX_SUBSCRIPTIONS", "topics of one connection", "`Error too_many_subscriptions`; HTTP 403 in a query string"
    ),
    Limit("MAX_MESSAGE", "bytes of one message, or of one acknowledgement's body", "closed with 1009; HTTP 413"),
    Limit("MAX_DEPTH", "nesting of its JSON", _ERROR.format(code="bad_json")),
    Limit("MAX_KEYS", "keys of its JSON, in all objects together", _ERROR.format(code="bad_json")),
    Limit("COMMAND_RATE", "commands of one connection per second", _RATE),
    Limit("USER_POLL_RATE", "polls of one user per second, on each process", "HTTP 429 `rate_limited`"),
    Limit("MAX_REPLAY", "positions of the log that one replay may span", "`Reset trimmed`"),
    Limit("UNSENT_BYTES", "bytes that wait for one client", _SLOW),
    Limit("UNSENT_SECONDS", "seconds for which a client may take none of them", _SLOW),
)

NAMES = frozenset(limit.setting for limit in LIMITS)


def reached(setting: str) -> None:
    """Count that a client went beyond a limit."""
    assert setting in NAMES, f"{setting} stands in no table of limits"
    metrics.limited.labels(setting).inc()


def count(error: ProtocolError) -> None:
    """Count an error for the limit that was reached, if one was."""
    if error.limit:
        reached(error.limit)


def count_refusal(error: ProtocolError) -> None:
    """Count a connection, or a request, that was refused before it began."""
    metrics.refused.labels(error.code).inc()
    count(error)
