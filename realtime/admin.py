"""The log for staff, to be looked at. What it holds was sent already: nothing here can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from realtime.desk.admin import OperationsAdmin
from realtime.models import Event, LogHead, Operations, Outgoing, Receipt, TopicHead
from realtime.receipts_admin import ReceiptAdmin

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:  # a host project need not have made Django's classes generic
    _ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(_ModelAdmin):
    """Lists and shows, to staff with the right to view."""

    actions = None
    show_full_result_count = False  # counting a log of millions takes seconds

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes: ``prune_events`` does, and tells clients."""
        return False


admin.site.register(Operations, OperationsAdmin)
admin.site.register(Receipt, ReceiptAdmin)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """The log, newest first."""

    list_display = ("position", "timestamp", "type", "topic", "seq", "ack")
    list_filter = ("type", "ack")
    search_fields = ("=topic", "=event_id")
    search_help_text = "A whole topic or the id of an event."
    ordering = ("-position",)


@admin.register(Outgoing)
class OutgoingAdmin(ReadOnlyAdmin):
    """What waits for its place. It is empty but for moments; what stays here is not being sequenced."""

    list_display = ("id", "timestamp", "type", "topics")
    ordering = ("id",)


@admin.register(TopicHead)
class TopicHeadAdmin(ReadOnlyAdmin):
    """Each topic's newest seq."""

    list_display = ("topic", "seq")
    search_fields = ("=topic",)


@admin.register(LogHead)
class LogHeadAdmin(ReadOnlyAdmin):
    """Where the log ends and begins, and which history it is."""

    list_display = ("epoch", "position", "floor")
