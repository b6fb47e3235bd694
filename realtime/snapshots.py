"""Snapshots over plain views: the header that says from where to go on.

Separate from the transports: any REST view of a host project can be the snapshot that a client starts from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from realtime import log

if TYPE_CHECKING:
    _View = APIView
else:
    _View = object

HEADER = "X-Cursor"


class SnapshotCursorMixin(_View):
    """Gives each successful GET of a REST view the header ``X-Cursor``.

    The cursor is read before the rows: what they lack comes after it; what they hold already may come again
    and changes nothing, as events carry state. Stand it first among the bases.
    """

    _cursor: str | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Take the cursor once the request is let in, before its handler reads anything."""
        super().initial(request, *args, **kwargs)
        if request.method in ("GET", "HEAD"):
            self._cursor = log.present_cursor()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Set the header, on answers that hold what was asked for."""
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        if self._cursor is not None and answer.status_code == 200:
            answer[HEADER] = self._cursor
        return answer
