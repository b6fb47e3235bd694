"""The HTTP addresses of the ledger, below ``/api/v1/``."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from ledger.api.accounts import AccountViewSet
from ledger.api.credits import CreditViewSet
from ledger.api.notifications import NotificationViewSet
from ledger.api.payees import PayeeViewSet
from ledger.api.rules import RuleViewSet
from ledger.api.transactions import TransactionViewSet
from ledger.api.transfers import TransferViewSet

router = SimpleRouter(trailing_slash=False)
router.register("accounts", AccountViewSet, basename="account")
router.register("transactions", TransactionViewSet, basename="transaction")
router.register("transfers", TransferViewSet, basename="transfer")
router.register("payees", PayeeViewSet, basename="payee")
router.register("rules", RuleViewSet, basename="rule")
router.register("notifications", NotificationViewSet, basename="notification")

urlpatterns = [
    path("credits", CreditViewSet.as_view({"get": "balance", "post": "create"}), name="credits"),
    path("credits/entries", CreditViewSet.as_view({"get": "list"}), name="credit-entries"),
    path("", include(router.urls)),
]
