"""Rules and what they did."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ledger.admin.base import CascadingAdmin, ReadOnlyAdmin
from ledger.models import Rule, RuleRun
from ledger.services import rules


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
    long_actions = frozenset({"run_over_history"})

    @admin.action(description=_("Run over all transactions you may see"))
    def run_over_history(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        for rule in queryset:
            try:
                run = rules.run_history(rule, request.user)  # type: ignore[arg-type]
            except Rule.DoesNotExist:
                self.message_user(request, _("{rule} has just been deleted.").format(rule=rule), messages.WARNING)
                continue
            self.message_user(
                request,
                _("{rule}: {matched} matched, {changed} changed").format(
                    rule=rule, matched=run.matched_count, changed=run.changed_count
                ),
            )


@admin.register(RuleRun)
class RuleRunAdmin(ReadOnlyAdmin[RuleRun]):
    """What rules did."""

    list_display = ["rule", "user", "trigger", "matched_count", "changed_count", "created_at"]
    list_select_related = ["rule", "user"]
