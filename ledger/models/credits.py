"""Credits: what each user has, and the entries that made it so."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from ledger.models.guarded import GuardedModel

_WAY = "call ledger.services.credits.change(user, amount, reason)"


class CreditBalance(GuardedModel):
    """How much credit one user has. Never below zero."""

    way = _WAY

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="credit_balance",
        verbose_name=_("user"),
    )
    balance = models.DecimalField(_("balance"), max_digits=19, decimal_places=4, default=Decimal)
    version = models.PositiveBigIntegerField(_("version"), default=1)
    updated_at = models.DateTimeField(_("updated"))

    class Meta:
        verbose_name = _("credit balance")
        verbose_name_plural = _("credit balances")
        constraints = [
            # The service says it better; this is for whatever comes past it.
            models.CheckConstraint(condition=models.Q(balance__gte=0), name="credit_is_never_below_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.balance}"


class CreditEntry(GuardedModel):
    """One change of a user's credit. Written once, never changed: a mistake is put right by another entry."""

    way = _WAY

    class Reason(models.TextChoices):
        """Why credit changed."""

        PURCHASE = "purchase", _("purchase")
        REWARD = "reward", _("reward")
        USAGE = "usage", _("usage")
        REFUND = "refund", _("refund")
        ADJUSTMENT = "adjustment", _("adjustment")
        EXPIRY = "expiry", _("expiry")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="credit_entries", verbose_name=_("user")
    )
    change = models.DecimalField(_("change"), max_digits=19, decimal_places=4)
    balance_after = models.DecimalField(_("balance after"), max_digits=19, decimal_places=4)
    reason = models.CharField(_("reason"), max_length=16, choices=Reason)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        ordering = ["-id"]
        verbose_name = _("credit entry")
        verbose_name_plural = _("credit entries")
        indexes = [models.Index(fields=["user", "-id"], name="credit_entries_of_a_user")]

    def __str__(self) -> str:
        return f"{self.change} ({self.reason})"
