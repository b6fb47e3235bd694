"""What a client asks for in its query string: topics, and a place to go on from.

Apart from the transports because the same words mean the same on each of them.
"""

from __future__ import annotations

from functools import lru_cache

from django.http import QueryDict

from realtime.conf import conf
from realtime.protocol.cursor import Cursor, InvalidCursor
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


def cursor_in(text: str | None) -> Cursor | None:
    """The place a client hands over, None for none. Raises ``bad_message`` for a malformed one."""
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except InvalidCursor as error:
        raise ProtocolError("bad_message", "The cursor is malformed: hand over one as the server gave it.") from error
