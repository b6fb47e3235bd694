"""The debug page: a line of its own to the server, and everything that travels over it.

Separate from the pages people keep their books with. For staff, and for anybody signed in while DEBUG is on; to all
others it does not exist.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.generic import View

from accounts.models import User
from ledger.errors import LedgerError
from ledger.models import CreditEntry
from ledger.pages import Json, LivePage
from ledger.payloads import credit_data
from ledger.services.credits import balance_of, change

METADATA = {"source": "debug page"}


class ForStaff(LoginRequiredMixin, View):
    """Sends strangers to sign in, and answers 404 to who may not see this."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User) and not (request.user.is_staff or settings.DEBUG):
            raise Http404
        return super().dispatch(request, *args, **kwargs)


class DebugPage(ForStaff, LivePage):
    """State, transport, cursor, topics and every frame; connect, cut, force a transport, send a command."""

    template_name = "ledger/debug.html"

    def page_data(self) -> Json:
        page = super().page_data()
        return page | {"urls": page["urls"] | {"credit": reverse("debug-credit")}}

    def get_context_data(self, **kwargs: Any) -> Json:
        user = cast("User", self.request.user)
        return super().get_context_data(
            reasons=CreditEntry.Reason.choices, may_change_credit=_may_change_credit(user), **kwargs
        )


class CreditChange(ForStaff):
    """Changes the asker's own credit, as a purchase elsewhere would."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Take ``{"amount": "12.50", "reason": …}``; answer the new balance."""
        user = cast("User", request.user)
        if not _may_change_credit(user):
            return JsonResponse({"detail": _("You may not change credit.")}, status=403)
        try:
            asked = json.loads(request.body)
            change(user, Decimal(str(asked["amount"])), str(asked["reason"]), METADATA)
        except (ValueError, TypeError, LookupError, InvalidOperation, RecursionError):
            return JsonResponse({"detail": _("Write an amount such as 12.50.")}, status=400)
        except LedgerError as error:
            return JsonResponse({"detail": str(error)}, status=400)
        return JsonResponse(credit_data(balance_of(user)))


urlpatterns = [
    path("debug", never_cache(DebugPage.as_view()), name="debug"),
    path("debug/credit", CreditChange.as_view(), name="debug-credit"),
]


def _may_change_credit(user: User) -> bool:
    """On a real server credit is money: only who may write entries in the admin may do it here."""
    return settings.DEBUG or user.has_perm("ledger.add_creditentry")
