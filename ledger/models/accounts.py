"""Accounts, whom they are shared with, and what is on them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, router
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from ledger.models.guarded import GuardedModel
from realtime.models import PublishingModel, PublishingQuerySet


class AccountQuerySet(PublishingQuerySet["Account"]):
    """Accounts; each write takes their balances first, as writes of transactions do, and so stays in line with them."""

    def update(self, **values: Any) -> int:
        """Update the accounts and tell each."""
        from ledger.services import balances, touched

        with balances.operation(touched.of_accounts(self), using=self._writing_to()):
            return super().update(**values)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the accounts with their transactions, each of which is told. Accounts with transfers are refused."""
        from ledger.services import balances, touched

        with balances.operation(touched.of_accounts(self), using=self._writing_to()):
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class Account(PublishingModel):
    """A place where a family's money is: one currency, one balance.

    A family with accounts cannot be deleted, nor can a user who owns one: hand the accounts over first.
    """

    class Type(models.TextChoices):
        """What sort of place it is."""

        CHECKING = "checking", _("checking")
        SAVINGS = "savings", _("savings")
        CREDIT = "credit", _("credit card")
        CASH = "cash", _("cash")
        INVESTMENT = "investment", _("investment")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    family = models.ForeignKey(
        "accounts.Family", on_delete=models.PROTECT, related_name="accounts", verbose_name=_("family")
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="owned_accounts", verbose_name=_("owner")
    )
    name = models.CharField(_("name"), max_length=100)
    type = models.CharField(_("type"), max_length=16, choices=Type, default=Type.CHECKING)
    currency = models.CharField(_("currency"), max_length=3, help_text=_("ISO 4217, as in EUR."))
    number = models.CharField(_("number"), max_length=34, blank=True, help_text=_("In full; shown masked."))
    is_private = models.BooleanField(
        _("private"), default=False, help_text=_("Seen by its owner and those it is shared with, not by the family.")
    )
    shared_with: models.ManyToManyField[Any, Any] = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        through="AccountShare",
        related_name="shared_accounts",
        blank=True,
        verbose_name=_("shared with"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = AccountQuerySet.as_manager()  # type: ignore[misc]

    class Meta(PublishingModel.Meta):
        ordering = ["name", "id"]
        verbose_name = _("account")
        verbose_name_plural = _("accounts")

    def __str__(self) -> str:
        return f"{self.name} ({self.currency})"

    def clean(self) -> None:
        """For forms: what the ledger would refuse, said beside the field."""
        from ledger.errors import LedgerError
        from ledger.services import sharing

        try:
            sharing.check(self, None if self._state.adding else Account.objects.get(pk=self.pk))
        except LedgerError as error:
            raise ValidationError({"currency": str(error)}) from error

    def save(
        self,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save and tell it; a new account gets its balance."""
        from ledger.services import balances

        using = using or router.db_for_write(Account, instance=self)
        with balances.operation([] if self._state.adding else [self.pk], using=using):
            super().save(force_insert=force_insert, force_update=force_update, using=using, update_fields=update_fields)

    save.alters_data = True  # type: ignore[attr-defined]

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the account with its transactions, each of which is told."""
        from ledger.services import balances

        with balances.operation([self.pk], using=using):
            return super().delete(using=using, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]


class AccountShareQuerySet(PublishingQuerySet["AccountShare"]):
    """Shares; each write takes their accounts first, as those do who change an account and come to its shares then."""

    def update(self, **values: Any) -> int:
        """Update the shares, and tell who gains or loses sight of which account."""
        from ledger.services import balances, touched

        target = values.get("account", values.get("account_id"))
        which = touched.of_shares(self)
        if target is not None:
            which |= touched.by_ids([target.pk if isinstance(target, Account) else target])
        with balances.operation(which, using=self._writing_to()):
            return super().update(**values)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the shares, and tell who loses sight of which account."""
        from ledger.services import balances, touched

        with balances.operation(touched.of_shares(self), using=self._writing_to()):
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def bulk_create(  # type: ignore[override]
        self, objs: Iterable[AccountShare], batch_size: int | None = None, **options: Any
    ) -> list[AccountShare]:
        """Insert shares, and tell who gains sight of which account."""
        from ledger.services import balances, touched

        rows = list(objs)
        with balances.operation(touched.of_saved_shares(rows), using=self._writing_to()):
            return super().bulk_create(rows, batch_size=batch_size, **options)

    bulk_create.alters_data = True  # type: ignore[attr-defined]


class AccountShare(PublishingModel):
    """One user beside the owner who may see a private account."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="shares", verbose_name=_("account"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="account_shares", verbose_name=_("user")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = AccountShareQuerySet.as_manager()  # type: ignore[misc]

    class Meta(PublishingModel.Meta):
        verbose_name = _("account share")
        verbose_name_plural = _("account shares")
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="an_account_is_shared_once")]

    def __str__(self) -> str:
        return f"{self.account_id} with {self.user_id}"

    def save(
        self,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save, and tell who gains sight of the account."""
        from ledger.services import balances, touched

        using = using or router.db_for_write(AccountShare, instance=self)
        with balances.operation(touched.of_saved_shares([self]), using=using):
            super().save(force_insert=force_insert, force_update=force_update, using=using, update_fields=update_fields)

    save.alters_data = True  # type: ignore[attr-defined]

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete, and tell who loses sight of the account."""
        from ledger.services import balances, touched

        with balances.operation(touched.of_saved_shares([self]), using=using):
            return super().delete(using=using, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]


class Balance(GuardedModel):
    """What is on an account: the sum of its posted transactions, and what of it is not already spoken for.

    The row whose lock orders all writes to the account.
    """

    way = (
        "save the transactions and it follows; ledger.services.balances.writing() locks the balances of several "
        "accounts, ledger.services.balances.recount() sets one right"
    )

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, primary_key=True, related_name="balance_row", verbose_name=_("account")
    )
    balance = models.DecimalField(_("balance"), max_digits=19, decimal_places=4, default=Decimal)
    available_balance = models.DecimalField(
        _("available balance"),
        max_digits=19,
        decimal_places=4,
        default=Decimal,
        help_text=_("The balance less pending payments; pending receipts are not counted."),
    )
    version = models.PositiveBigIntegerField(_("version"), default=1)
    updated_at = models.DateTimeField(_("updated"))

    class Meta:
        verbose_name = _("balance")
        verbose_name_plural = _("balances")

    def __str__(self) -> str:
        return f"{self.account_id}: {self.balance}"
