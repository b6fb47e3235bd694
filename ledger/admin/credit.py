"""Credit. Balances follow from the entries; an entry is added and never changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ledger.admin.base import FOLLOWED, ReadOnlyAdmin
from ledger.models import CreditBalance, CreditEntry
from ledger.money import format_credit
from ledger.services import credits as credit
from realtime.desk.lists import LiveList


@admin.register(CreditBalance)
class CreditBalanceAdmin(LiveList, ReadOnlyAdmin[CreditBalance]):
    """What credit users have: follows from the entries."""

    change_form_template = FOLLOWED
    list_display = ["user", "in_words", "version", "updated_at"]
    list_select_related = ["user"]
    search_fields = ["user__username"]

    @admin.display(description=_("balance"))
    def in_words(self, row: CreditBalance) -> str:
        return format_credit(row.balance)


@admin.register(CreditEntry)
class CreditEntryAdmin(LiveList, ReadOnlyAdmin[CreditEntry]):
    """Changes of credit. Adding one changes the balance; a mistake is put right by another."""

    names_rows = False  # the event names the user whose credit changed

    list_display = ["user", "change", "balance_after", "reason", "created_at"]
    list_filter = ["reason"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    autocomplete_fields = ["user"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_fields(self, request: HttpRequest, obj: CreditEntry | None = None) -> list[Any]:
        entered = ["user", "change", "reason", "metadata"]
        return [*entered, "balance_after", "created_at"] if obj else entered

    def save_model(self, request: HttpRequest, obj: CreditEntry, form: Any, change: bool) -> None:
        entry = credit.change(obj.user, obj.change, obj.reason, obj.metadata)
        obj.__dict__.update(entry.__dict__)
