"""Accounts and what is on them. Balances are to be looked at: they follow from the transactions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ledger.admin.base import FOLLOWED, CascadingAdmin, ReadOnlyAdmin
from ledger.models import Account, AccountShare, Balance, RuleRun
from ledger.money import format_money
from ledger.payloads import masked
from realtime.desk.lists import LiveList


class AccountShareInline(admin.TabularInline[AccountShare, Account]):
    model = AccountShare
    fields = ["user"]
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Account)
class AccountAdmin(CascadingAdmin[Account]):
    """Accounts, and whom they are shared with."""

    goes_along = (Balance, RuleRun)
    list_display = ["name", "family", "owner", "type", "currency", "masked_number", "is_private", "on_it"]
    list_filter = ["type", "currency", "is_private"]
    list_select_related = ["family", "owner", "balance_row"]
    search_fields = ["name", "family__name"]
    autocomplete_fields = ["family", "owner"]
    inlines = [AccountShareInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> list[str]:
        return ["family"] if obj else []

    def get_fields(self, request: HttpRequest, obj: Account | None = None) -> Any:
        """Who may only look sees the number as a member of the family does."""
        fields = super().get_fields(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fields
        return ["masked_number" if name == "number" else name for name in fields]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Filters in an address are anybody's to write: one by the number would tell it, digit by digit."""
        if lookup.split("__")[0] == "number":
            return False
        return super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description=_("number"))
    def masked_number(self, account: Account) -> str:
        return masked(account.number)

    @admin.display(description=_("balance"))
    def on_it(self, account: Account) -> str:
        return format_money(account.balance_row.balance, account.currency)


@admin.register(Balance)
class BalanceAdmin(LiveList, ReadOnlyAdmin[Balance]):
    """What is on the accounts: follows from their transactions."""

    change_form_template = FOLLOWED
    list_display = ["account", "balance", "available_balance", "version", "updated_at"]
    list_select_related = ["account"]
    search_fields = ["account__name"]
