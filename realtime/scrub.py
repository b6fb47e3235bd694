"""Keeps credentials out of the logs.

Servers log the query string, exceptions quote headers, and a log outlives every token in it. Separate because
it guards records of any logger, of this app and of others: put the filter on each handler.
"""

from __future__ import annotations

import logging
import re
from typing import Any

SCRUBBED = "[scrubbed]"

_JWT = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*)*")
_BEARER = re.compile(r"(bearer(?:\s|%20|\.)+)[\w.~+/=%-]{20,}", re.IGNORECASE)
_NAME_OF_SECRET = r"[\w-]*(?:token|ticket|sessionid|password)"  # noqa: S105  (a pattern)
_IN_QUERY = re.compile(rf"({_NAME_OF_SECRET}(?:=|%3d))[^&\s\"'#;,<>)]+", re.IGNORECASE)
_IN_MAPPING = re.compile(rf"({_NAME_OF_SECRET}\\?[\"']\s*:\s*\[?b?\\?[\"'])[^\"'\\]+", re.IGNORECASE)


def scrub(text: str) -> str:
    """``text`` with every token, ticket and session key in it replaced."""
    text = _JWT.sub(SCRUBBED, text)
    text = _BEARER.sub(rf"\1{SCRUBBED}", text)
    text = _IN_QUERY.sub(rf"\1{SCRUBBED}", text)
    return _IN_MAPPING.sub(rf"\1{SCRUBBED}", text)


class ScrubFilter(logging.Filter):
    """Scrubs a record's message, arguments, traceback and extras, and lets it pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Arguments stay a tuple: uvicorn's access formatter takes them apart.
        record.args = _scrub_value(record.args)
        whole = record.getMessage()
        if scrub(whole) != whole:  # "token=%s": harmless pieces that are a secret together
            record.msg, record.args = scrub(whole), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        for name, value in vars(record).items():
            if name not in ("msg", "args", "exc_info"):
                setattr(record, name, _scrub_value(value))
        return True


def scrub_event(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Do the same as a structlog processor."""
    return {name: _scrub_value(value, name) for name, value in event.items()}


def _scrub_value(value: Any, name: str = "") -> Any:
    if isinstance(value, str) and name and re.fullmatch(_NAME_OF_SECRET, name, re.IGNORECASE):
        return SCRUBBED
    if isinstance(value, str):
        return scrub(value)
    if type(value) in (tuple, list):
        return type(value)(_scrub_value(item) for item in value)
    if type(value) is dict:
        return {key: _scrub_value(item, str(key)) for key, item in value.items()}
    return value
