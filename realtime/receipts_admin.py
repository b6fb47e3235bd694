"""Receipts for staff: all of them as a list, and those of one thing on a page of their own. Both also as CSV.

Separate from the rest of the admin because apps of the host project put that page on things of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from realtime import confirmations
from realtime.conf import conf
from realtime.confirmations import Confirmations
from realtime.models import Receipt
from realtime.tables import csv_response

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:  # a host project need not have made Django's classes generic
    _ModelAdmin = admin.ModelAdmin

VIEW = "realtime.view_receipt"
MOST_SHOWN = 500  # people of each list on a page; the file has all
HEADER = ("user_id", "user", "confirmed_at", "transport", "client", "event_id", "about")
TOO_MANY = _("An export holds at most %d receipts: choose fewer, by a filter or a search.")


class ReceiptAdmin(_ModelAdmin):
    """Who has confirmed which event, when, on what."""

    list_display = ("acked_at", "user", "about", "event_id", "transport", "client")
    list_filter = ("transport", "acked_at")
    list_select_related = ("user",)
    search_fields = ("=event_id", "=about")
    search_help_text = _("The id of an event, or what it is about, as notification:<id>.")
    ordering = ("-id",)
    show_full_result_count = False
    actions = ("export",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Clients confirm, nobody else."""
        return False

    has_change_permission = has_delete_permission = has_add_permission

    @admin.action(description=_("Export the selected receipts as CSV"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Receipt]) -> HttpResponse | None:
        """A file of the selected receipts."""
        chosen = list(queryset.select_related("user")[: conf.EXPORT_ROWS + 1])
        if len(chosen) > conf.EXPORT_ROWS:
            self.message_user(request, TOO_MANY % conf.EXPORT_ROWS, messages.ERROR)
            return None
        return csv_response("receipts.csv", HEADER, _rows(chosen))


class ConfirmationsMixin(_ModelAdmin):
    """A ``ModelAdmin`` whose things are told in events that want an acknowledgement, and who has given it.

    Each thing gets a page with those who have confirmed what was last said of it and those who have not, and the same
    as CSV, for whoever may view the thing and receipts. ``confirmations`` among ``list_display`` or ``readonly_fields``
    links to it.
    """

    def about(self, obj: Any) -> str:
        """What the events of a thing are about, as publish() is told it."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """The page and the file, before the admin's own."""
        page, file = require_safe(self.confirmations_page), require_safe(self.confirmations_file)
        return [
            path("<path:object_id>/receipts/", self.admin_site.admin_view(page), name=self._name("receipts")),
            path("<path:object_id>/receipts.csv", self.admin_site.admin_view(file), name=self._name("receipts_csv")),
            *super().get_urls(),
        ]

    @admin.display(description=_("receipts"))
    def confirmations(self, obj: Model) -> str:
        """A link to the page."""
        if obj.pk is None or obj._state.adding:
            return "–"
        address = reverse(f"{self.admin_site.name}:{self._name('receipts')}", args=[obj.pk])
        return format_html('<a href="{}">{}</a>', address, _("Who has confirmed it"))

    def confirmations_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Who has confirmed what was last said of a thing, when and on what, and who has not yet."""
        obj = self._viewed(request, object_id)
        found = confirmations.about(self.about(obj))
        confirmed, missing = list(found.confirmed[: MOST_SHOWN + 1]), found.missing
        context = {
            **self.admin_site.each_context(request),
            "title": _("Who has confirmed it"),
            "subtitle": str(obj),
            "opts": self.opts,
            "original": obj,
            "found": found,
            "confirmed": confirmed[:MOST_SHOWN],
            "missing": None if missing is None else missing[:MOST_SHOWN],
            "missing_count": 0 if missing is None else len(missing),
            "is_cut": len(confirmed) > MOST_SHOWN or len(missing or ()) > MOST_SHOWN,
            "file": reverse(f"{self.admin_site.name}:{self._name('receipts_csv')}", args=[obj.pk]),
        }
        return TemplateResponse(request, "admin/realtime/receipts.html", context)

    def confirmations_file(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The same as CSV, with what was said before: who has not confirmed has no time."""
        found = confirmations.about(self.about(self._viewed(request, object_id)))
        receipts = [*found.earlier[: conf.EXPORT_ROWS + 1], *found.confirmed[: conf.EXPORT_ROWS + 1]]
        if len(receipts) > conf.EXPORT_ROWS:
            return HttpResponse(TOO_MANY % conf.EXPORT_ROWS, status=413, content_type="text/plain; charset=utf-8")
        return csv_response("receipts.csv", HEADER, [*_rows(receipts), *_rows_of_missing(found)])

    def _viewed(self, request: HttpRequest, object_id: str) -> Any:
        obj = self.get_object(request, object_id)
        if not (request.user.has_perm(VIEW) and self.has_view_permission(request, obj)):
            raise PermissionDenied
        if obj is None:
            raise Http404
        return obj

    def _name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"


def _rows(receipts: Iterable[Receipt]) -> Iterator[Sequence[Any]]:
    for each in receipts:
        name = each.user.get_username()
        yield each.user_id, name, each.acked_at, each.transport, each.client, each.event_id, each.about


def _rows_of_missing(found: Confirmations) -> Iterator[Sequence[Any]]:
    if found.event is not None:
        for user in found.missing or ():
            yield user.pk, user.get_username(), None, None, None, found.event.event_id, found.event.about
