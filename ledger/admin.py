"""The ledger for staff, on the stock admin: every page writes by the same ways as everybody else.

What the services refuse is said on the page and undone as a whole. Balances, credits and rule runs are to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _

from ledger.errors import LedgerError, Refused
from ledger.models import (
    Account,
    AccountShare,
    Balance,
    CreditBalance,
    CreditEntry,
    Notification,
    Payee,
    Rule,
    RuleRun,
    Transaction,
    Transfer,
)
from ledger.money import format_credit, format_money
from ledger.payloads import masked
from ledger.services import credits as credit
from ledger.services import rules, transfers

M = TypeVar("M", bound=Model)


class LedgerAdmin(admin.ModelAdmin[M]):
    """Says on the page what the ledger refused; nothing of the request has happened then."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._saying_why(request, lambda: super(LedgerAdmin, self).changeform_view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._saying_why(request, lambda: super(LedgerAdmin, self).changelist_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._saying_why(request, lambda: super(LedgerAdmin, self).delete_view(request, *args, **kwargs))

    def _saying_why(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method != "POST":
            return view()
        try:
            with transaction.atomic():
                return view()
        except (LedgerError, Refused) as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


class ReadOnlyAdmin(LedgerAdmin[M]):
    """To be looked at: something else writes these rows."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class CascadingAdmin(LedgerAdmin[M]):
    """Rows that take read-only ones along when they go: those need no permission of their own."""

    goes_along: tuple[type[Model], ...] = ()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        objects, counts, missing, protected = super().get_deleted_objects(objs, request)
        names = {str(model._meta.verbose_name) for model in self.goes_along}
        return objects, counts, {each for each in missing if str(each) not in names}, protected


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

    @admin.display(description=_("number"))
    def masked_number(self, account: Account) -> str:
        return masked(account.number)

    @admin.display(description=_("balance"))
    def on_it(self, account: Account) -> str:
        return format_money(account.balance_row.balance, account.currency)


@admin.register(Balance)
class BalanceAdmin(ReadOnlyAdmin[Balance]):
    """What is on the accounts: follows from their transactions."""

    list_display = ["account", "balance", "available_balance", "version", "updated_at"]
    list_select_related = ["account"]
    search_fields = ["account__name"]


@admin.register(Payee)
class PayeeAdmin(LedgerAdmin[Payee]):
    """Whom families pay."""

    list_display = ["name", "family", "category"]
    list_editable = ["category"]
    list_select_related = ["family"]
    search_fields = ["name"]
    autocomplete_fields = ["family"]


@admin.register(Transaction)
class TransactionAdmin(LedgerAdmin[Transaction]):
    """Transactions. Half of a transfer is changed with the other half: through the transfer."""

    list_display = ["date", "account", "amount", "status", "description", "payee", "category", "created_by"]
    list_display_links = ["date"]
    list_editable = ["amount", "status", "description", "category"]
    list_filter = ["status", "account__family"]
    list_select_related = ["account", "payee", "created_by"]
    list_per_page = 50
    search_fields = ["description", "payee__name"]
    autocomplete_fields = ["account", "payee"]
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


@admin.register(Rule)
class RuleAdmin(CascadingAdmin[Rule]):
    """Rules, which can be run over history from here."""

    goes_along = (RuleRun,)
    list_display = ["name", "family", "priority", "is_active", "description_contains", "set_category", "set_payee"]
    list_editable = ["priority", "is_active"]
    list_select_related = ["family", "set_payee"]
    search_fields = ["name", "description_contains"]
    autocomplete_fields = ["family", "account", "set_payee", "created_by"]
    actions = ["run_over_history"]

    @admin.action(description=_("Run over all transactions you may see"))
    def run_over_history(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        for rule in queryset:
            run = rules.run_history(rule, request.user)  # type: ignore[arg-type]
            self.message_user(request, f"{rule}: {run.changed_count} of {run.matched_count} changed")


@admin.register(RuleRun)
class RuleRunAdmin(ReadOnlyAdmin[RuleRun]):
    """What rules did."""

    list_display = ["rule", "user", "trigger", "matched_count", "changed_count", "created_at"]
    list_select_related = ["rule", "user"]


@admin.register(CreditBalance)
class CreditBalanceAdmin(ReadOnlyAdmin[CreditBalance]):
    """What credit users have: follows from the entries."""

    list_display = ["user", "in_words", "version", "updated_at"]
    list_select_related = ["user"]
    search_fields = ["user__username"]

    @admin.display(description=_("balance"))
    def in_words(self, row: CreditBalance) -> str:
        return format_credit(row.balance)


@admin.register(CreditEntry)
class CreditEntryAdmin(ReadOnlyAdmin[CreditEntry]):
    """Changes of credit. Adding one changes the balance; a mistake is put right by another."""

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
