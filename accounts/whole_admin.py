"""Pages of the admin whose every change is one transaction, tried again when the database took it back.

Separate because all apps above put it ahead of admins of their own, as they do with ``atomically`` in their endpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.writes import Busy, atomically
from realtime.publishing import Refused
from realtime.versioned_admin import VersionedAdmin


class WholeAdmin(VersionedAdmin):
    """Says on the page what was refused; nothing of the request has happened then.

    But for ``long_actions``, which commit as they go: in one transaction they would hold up payments to the end.
    """

    refusals: tuple[type[Exception], ...] = (Refused, Busy)
    long_actions: frozenset[str] = frozenset()

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._saying_why(request, lambda: super(WholeAdmin, self).changeform_view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._saying_why(request, lambda: super(WholeAdmin, self).changelist_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._saying_why(request, lambda: super(WholeAdmin, self).delete_view(request, *args, **kwargs))

    def _saying_why(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method != "POST":
            return view()
        try:
            return view() if request.POST.get("action") in self.long_actions else atomically(view)
        except self.refusals as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
