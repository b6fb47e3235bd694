"""A list in the admin that says when it is no longer the newest: "3 newer". The reader decides when to look again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.translation import gettext as _

from realtime.desk.news import changes_behind
from realtime.desk.pages import desk_data
from realtime.protocol.cursor import Cursor

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:  # beside a ModelAdmin, whatever that derives from
    _ModelAdmin = object

MOST_SHOWN = 100  # rows of a page that it names when it asks


class LiveList(_ModelAdmin):
    """Stands ahead of a ModelAdmin, for a model that ``news.rows_of`` knows. It asks for no right but to view."""

    change_list_template = "admin/realtime/desk/live_change_list.html"
    names_rows: ClassVar[bool] = True
    """Whether the events name the rows, so that only those count that the list with its filter would show."""

    def get_urls(self) -> list[URLPattern]:
        """The model's pages, and the question how many rows are newer."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_newer"
        return [path("newer/", self.admin_site.admin_view(self.newer), name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, with the place in the log from which on something is newer."""
        newer = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_newer")
        desk = desk_data(request, {"newer": newer}, model=self.opts.label_lower)
        response: Any = super().changelist_view(request, extra_context={**(extra_context or {}), "desk": desk})
        if "cl" in (getattr(response, "context_data", None) or {}):
            shown = response.context_data["cl"].result_list
            desk["shown"] = [str(row.pk) for row in shown[:MOST_SHOWN]]
        return response

    def newer(self, request: HttpRequest) -> HttpResponse:
        """How many rows that this list would show, or shows, have changed behind a cursor."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        query = request.GET.copy()
        behind, shown = (query.pop(name, [""])[0] for name in ("_behind", "_shown"))
        request.GET = query  # type: ignore[assignment]  # the rest is the list's own filter
        try:
            found = changes_behind(Cursor.parse(behind), self.opts.label_lower)
            count = 0 if found.many else self._count(request, found.ids, frozenset(shown.split(",")))
        except (ValueError, IncorrectLookupParameters, DisallowedModelAdminLookup):
            return JsonResponse({"detail": _("This list cannot be asked so: reload it.")}, status=400)
        return JsonResponse({"count": count, "many": found.many})

    def _count(self, request: HttpRequest, ids: frozenset[str], shown: frozenset[str]) -> int:
        if not self.names_rows or not ids:
            return len(ids)
        fitting = self.get_changelist_instance(request).queryset.filter(pk__in=ids)
        # What is shown and no longer fits, or is gone, is not the newest either.
        return len({str(pk) for pk in fitting.values_list("pk", flat=True)} | (ids & shown))
