"""What a client asks for in its query string: topics, and a place to go on from.

Apart from the transports because the same words mean the same on each of them.
"""

from __future__ import annotations

import time
from functools import lru_cache

from django.http import QueryDict

from realtime.conf import conf
from realtime.protocol.cursor import Cursor, InvalidCursor, Line
from realtime.protocol.errors import ProtocolError
from realtime.resume import Wanted

FEW = 3  # topics: who names more is not likely to be one of many


def wanted_in(query: QueryDict) -> Wanted:
    """``topics=a,b`` adds topics, ``auto=0`` skips the automatic ones. Raises ``too_many_subscriptions``."""
    names = {name for value in query.getlist("topics") for name in str(value).split(",") if name}
    if len(names) > conf.MAX_SUBSCRIPTIONS:
        raise ProtocolError("too_many_subscriptions", limit="MAX_SUBSCRIPTIONS")
    wanted = Wanted(frozenset(names), automatic=query.get("auto") != "0")
    return _shared(wanted) if len(names) <= FEW else wanted


@lru_cache(maxsize=1000)
def _shared(wanted: Wanted) -> Wanted:
    """The same for all who ask for the same: a connection keeps it for as long as it lasts."""
    return wanted


def now() -> int:
    """Seconds of the epoch."""
    return int(time.time())


def line_of(cursor: Cursor | None) -> Line | None:
    """The line of polls that a cursor goes on with; None where a client begins, or begins again."""
    if cursor is None or cursor.line is None or now() - cursor.line.at >= conf.POLL_LINE:
        return None
    return cursor.line


def cursor_in(text: str | None) -> Cursor | None:
    """The place a client hands over, None for none. Raises ``bad_message`` for a malformed one."""
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except InvalidCursor as error:
        raise ProtocolError("bad_message", "The cursor is malformed: hand over one as the server gave it.") from error
