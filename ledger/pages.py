"""The pages of the ledger: what a browser shows first, and the cursor from which it goes on.

Separate from the REST interface: a page is one snapshot of everything it shows, taken in one go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView, View

from accounts.access import WRITERS
from accounts.models import Membership, User
from ledger import payloads
from ledger.access import visible_accounts, visible_payees, visible_rules, visible_transactions
from ledger.models import CreditBalance, CreditEntry, RuleRun
from ledger.money import ZERO, format_credit
from realtime.log import present_cursor
from realtime.protocol.messages import timestamp

Json = dict[str, Any]

MOST_TRANSACTIONS = 100
MOST_PAYEES = 1000
MOST_RULES = 100
MOST_ENTRIES = 100


class LivePage(LoginRequiredMixin, TemplateView):
    """A page that keeps itself up to date. Its script finds ``page_data`` in the element ``page-data``."""

    def page_data(self) -> Json:
        """What the script of every signed-in page needs; pages add their rows."""
        return base_data(cast("User", self.request.user))

    def get_context_data(self, **kwargs: Any) -> Json:
        return super().get_context_data(page=self.page_data(), **kwargs)


class LedgerPage(LivePage):
    """Accounts, balances and transactions, as they change."""

    template_name = "ledger/ledger.html"

    def page_data(self) -> Json:
        return ledger_data(cast("User", self.request.user))


class CreditsPage(LivePage):
    """The user's credit, and the entries that made it so."""

    template_name = "ledger/credits.html"

    def page_data(self) -> Json:
        return credits_data(cast("User", self.request.user))

    def get_context_data(self, **kwargs: Any) -> Json:
        return super().get_context_data(reasons=CreditEntry.Reason.choices, most_entries=MOST_ENTRIES, **kwargs)


class PageData(View):
    """What a page holds, as JSON: the page fetches it when the log cannot tell what it missed."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer 401 rather than with the sign-in page, which a script cannot read."""
        if not isinstance(request.user, User):
            return JsonResponse({"code": "unauthenticated", "message": _("Sign in again.")}, status=401)
        return JsonResponse(self.page_data(request.user))

    def page_data(self, user: User) -> Json:
        """The same as the page's own."""
        raise NotImplementedError


class LedgerData(PageData):
    """What the ledger page holds."""

    def page_data(self, user: User) -> Json:
        return ledger_data(user)


class CreditsData(PageData):
    """What the credits page holds."""

    def page_data(self, user: User) -> Json:
        return credits_data(user)


urlpatterns = [
    path("", never_cache(LedgerPage.as_view()), name="ledger"),
    path("data", never_cache(LedgerData.as_view()), name="ledger-data"),
    path("credits", never_cache(CreditsPage.as_view()), name="credits-page"),
    path("credits/data", never_cache(CreditsData.as_view()), name="credits-data"),
]


def base_data(user: User) -> Json:
    """Who is signed in, their credit, and the place in the log before any of it was read."""
    # First of all: what is read after it may be newer than the cursor, never older.
    cursor = present_cursor()
    return {
        "cursor": cursor,
        "user": {"id": str(user.pk), "name": payloads.person_name(user)},
        "credit": _credit(user),
        "urls": {"data": reverse("ledger-data")},
    }


def ledger_data(user: User) -> Json:
    """All that the ledger page shows."""
    base = base_data(user)
    accounts = visible_accounts(user).select_related("balance_row").prefetch_related("shares")
    transactions = visible_transactions(user).select_related("account", "payee", "created_by")
    return base | {
        "urls": base["urls"]
        | {"transactions": "/api/v1/transactions", "payees": "/api/v1/payees", "rules": "/api/v1/rules"},
        "families": _families(user),
        "accounts": [payloads.account_data(account) for account in accounts],
        "transactions": [
            payloads.transaction_data(transaction)
            for transaction in transactions.order_by("-date", "-pk")[:MOST_TRANSACTIONS]
        ],
        "payees": [payloads.payee_data(payee) for payee in visible_payees(user)[:MOST_PAYEES]],
        "rules": _rules(user),
    }


def credits_data(user: User) -> Json:
    """All that the credits page shows."""
    base = base_data(user)
    entries = CreditEntry.objects.filter(user=user)[:MOST_ENTRIES]
    return base | {
        "urls": {"data": reverse("credits-data")},
        "entries": [payloads.credit_entry_data(entry) for entry in entries],
    }


def _rules(user: User) -> list[Json]:
    """The rules the user sees, each with what it last did for this user."""
    runs = RuleRun.objects.filter(rule=OuterRef("pk"), user=user).order_by("-pk")
    rules = visible_rules(user).annotate(last_run=Subquery(runs.values("pk")[:1]))[:MOST_RULES]
    last = RuleRun.objects.in_bulk([rule.last_run for rule in rules if rule.last_run])
    return [payloads.rule_data(rule) | {"last_run": _run(last.get(rule.last_run))} for rule in rules]


def _run(run: RuleRun | None) -> Json | None:
    return payloads.rule_run_data(run) | {"at": timestamp(run.created_at)} if run else None


def _families(user: User) -> list[Json]:
    memberships = Membership.objects.filter(user=user, is_active=True).select_related("family")
    members = _members([membership.family_id for membership in memberships])
    return [
        {
            "id": str(membership.family_id),
            "name": membership.family.name,
            "role": membership.role,
            "may_write": membership.role in WRITERS,
            "members": members.get(membership.family_id, []),
        }
        for membership in memberships.order_by("family__name", "pk")
    ]


def _members(family_ids: Iterable[UUID]) -> dict[UUID, list[Json]]:
    rows = Membership.objects.filter(family__in=family_ids, is_active=True, user__is_active=True)
    members: dict[UUID, list[Json]] = {}
    for row in rows.select_related("user").order_by("user__username"):
        person = {"id": str(row.user_id), "name": payloads.person_name(row.user), "role": row.role}
        members.setdefault(row.family_id, []).append(person)
    return members


def _credit(user: User) -> Json:
    credit = CreditBalance.objects.filter(user=user).first()
    if credit is None:
        return {"balance": format_credit(ZERO), "version": 0}
    return payloads.credit_data(credit)
