"""Rules that fill in transactions, and what came of each run."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from realtime.models import PublishingModel


class Rule(PublishingModel):
    """When all of its conditions hold for a transaction, its category and payee are set."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    family = models.ForeignKey(
        "accounts.Family", on_delete=models.CASCADE, related_name="rules", verbose_name=_("family")
    )
    name = models.CharField(_("name"), max_length=100)
    priority = models.IntegerField(
        _("priority"), default=0, help_text=_("Lower runs first; what one rule has set, a later one leaves alone.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    description_contains = models.CharField(_("description contains"), max_length=200, blank=True)
    amount_min = models.DecimalField(_("least amount"), max_digits=19, decimal_places=4, null=True, blank=True)
    amount_max = models.DecimalField(_("greatest amount"), max_digits=19, decimal_places=4, null=True, blank=True)
    # CASCADE, for without its account the rule would suddenly match everywhere.
    account = models.ForeignKey(
        "Account", on_delete=models.CASCADE, null=True, blank=True, related_name="rules", verbose_name=_("account")
    )
    set_category = models.CharField(_("set category"), max_length=64, blank=True)
    set_payee = models.ForeignKey(
        "Payee", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("set payee")
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta(PublishingModel.Meta):
        ordering = ["priority", "id"]
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        indexes = [models.Index(fields=["family", "priority"], name="rules_in_order")]

    def __str__(self) -> str:
        return self.name


class RuleRun(models.Model):
    """What one run of a rule did. Written by the rules service, never changed."""

    class Trigger(models.TextChoices):
        """What made the rule run."""

        NEW = "new", _("new transaction")
        HISTORY = "history", _("on request, over history")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="runs", verbose_name=_("rule"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("user")
    )
    trigger = models.CharField(_("trigger"), max_length=8, choices=Trigger)
    matched_count = models.PositiveIntegerField(_("matched"), default=0)
    changed_count = models.PositiveIntegerField(_("changed"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("rule run")
        verbose_name_plural = _("rule runs")

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.changed_count} of {self.matched_count}"
