"""Transactions, transfers and whom families pay."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ledger.admin.base import FOLLOWED, LedgerAdmin
from ledger.models import Payee, Transaction, Transfer
from ledger.services import transfers
from realtime.desk.lists import LiveList


@admin.register(Payee)
class PayeeAdmin(LedgerAdmin[Payee]):
    """Whom families pay."""

    list_display = ["name", "family", "category"]
    list_editable = ["category"]
    list_select_related = ["family"]
    search_fields = ["name"]
    autocomplete_fields = ["family"]


@admin.register(Transaction)
class TransactionAdmin(LiveList, LedgerAdmin[Transaction]):
    """Transactions. Half of a transfer is changed with the other half: through the transfer."""

    list_display = ["date", "account", "amount", "status", "description", "payee", "category", "created_by"]
    list_display_links = ["date"]
    list_editable = ["amount", "status", "description", "category"]
    list_filter = ["status", "account__family"]
    list_select_related = ["account", "payee", "created_by"]
    list_per_page = 50
    search_fields = ["description", "payee__name"]
    autocomplete_fields = ["account", "payee"]
    change_form_template = FOLLOWED
    readonly_fields = ["transfer", "created_by", "created_at", "updated_at", "version"]

    def get_readonly_fields(self, request: HttpRequest, obj: Transaction | None = None) -> list[str]:
        paired = ["account", "amount", "status", "date"] if obj and obj.transfer_id else []
        return [*self.readonly_fields, *paired]

    def save_model(self, request: HttpRequest, obj: Transaction, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)


@admin.register(Transfer)
class TransferAdmin(LedgerAdmin[Transfer]):
    """Transfers; what is saved here goes through the service, which writes both transactions."""

    list_display = ["date", "from_account", "to_account", "amount", "description"]
    list_select_related = ["from_account", "to_account"]
    fields = ["from_account", "to_account", "amount", "description", "date"]
    autocomplete_fields = ["from_account", "to_account"]

    def get_readonly_fields(self, request: HttpRequest, obj: Transfer | None = None) -> list[str]:
        return ["from_account", "to_account"] if obj else []

    def save_model(self, request: HttpRequest, obj: Transfer, form: Any, change: bool) -> None:
        if change:
            values = {name: form.cleaned_data[name] for name in form.changed_data}
            written = transfers.change(obj, **values)
        else:
            written = transfers.create(
                request.user,  # type: ignore[arg-type]
                obj.from_account,
                obj.to_account,
                obj.amount,
                description=obj.description,
                date=obj.date,
            )
        obj.__dict__.update(written.__dict__)
