"""The form of what staff is told, for the published AsyncAPI document."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from realtime.asyncapi import one_of, register_event
from realtime.desk.alarms import KINDS
from realtime.desk.figures import OperationsFigures
from realtime.desk.news import RowsChanged


class Alert(Struct):
    """Something is wrong with the installation; with the severity `info`: it no longer is. Said once, not repeated."""

    kind: Annotated[str, one_of([kind.name for kind in KINDS])]
    severity: Annotated[str, one_of(["info", "warning", "error"])]
    message: str
    metrics: Annotated[dict[str, Any], Meta(description="`process`, `value`, `threshold`, as far as known.")]


register_event("Alert", Alert, ["staff"])
register_event("OperationsFigures", OperationsFigures, ["staff"], ephemeral=True)
register_event("RowsChanged", RowsChanged, ["staff"], ephemeral=True)
