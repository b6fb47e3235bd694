"""What this app tells by itself: to staff, how the installation is doing. One function per event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.outbox import publish
from realtime.topics import topic


def alert(kind: str, severity: str, message: str, metrics: Mapping[str, Any], *, using: str) -> None:
    """Tell staff that something is wrong or, with the severity ``info``, that it no longer is."""
    data = {"kind": kind, "severity": severity, "message": message, "metrics": dict(metrics)}
    publish("Alert", data, to=[topic("staff")], using=using)
