"""Notices to people."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ledger.admin.base import LedgerAdmin
from ledger.models import Notification


@admin.register(Notification)
class NotificationAdmin(LedgerAdmin[Notification]):
    """Notices to a user, a family, or everyone."""

    list_display = ["title", "level", "user", "family", "created_at", "expires_at"]
    list_filter = ["level"]
    list_select_related = ["user", "family"]
    autocomplete_fields = ["user", "family"]
    exclude = ["created_by"]

    def save_model(self, request: HttpRequest, obj: Notification, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)
