"""How values become JSON, the same way wherever the server writes it.

Separate because published data is encoded once, long before any frame is built around it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from realtime.protocol.reading import is_shallow

MAX_DEPTH = 100  # far from where the decoders of this process, and of clients, give up


def encode_data(data: object) -> bytes:
    """Encode what was published as compact JSON: Decimal as string, times as ``timestamp`` writes them.

    Raises TypeError for a type JSON has no exact form for, and ValueError for NaN, infinities, naive times,
    lone surrogates, circular and absurdly nested data.
    """
    # Not msgspec's encoder: it writes NaN as null, and times with microseconds and no Z.
    try:
        encoded = _encoder.encode(data).encode()
    except RecursionError as error:
        raise ValueError("the data is nested too deeply") from error
    if not is_shallow(encoded, MAX_DEPTH):
        raise ValueError("the data is nested too deeply")
    return encoded


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and ``Z``. Raises ValueError for a time that names no zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is not a moment")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _plain(value: Any) -> Any:
    """What the JSON encoder shall write for a value it does not know itself."""
    match value:
        case Decimal():
            return _exact(value)
        case UUID():
            return str(value)
        case datetime():
            return timestamp(value)
        case date():
            return value.isoformat()
        case Mapping():
            return dict(value)
        case msgspec.Struct():
            return msgspec.structs.asdict(value)
    raise TypeError(f"{type(value).__name__} has no exact form in JSON")


def _exact(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError(f"{value} is not a number")
    return format(value, "f")  # str() would write 1E+3


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
