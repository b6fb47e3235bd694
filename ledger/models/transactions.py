"""Transactions, the payees they name, and transfers between accounts.

Every way of writing transactions first takes the balances of all accounts it touches, in one order, and only then the
rows: two writers that come from opposite ends wait for each other instead of for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, router, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from ledger.models.accounts import Account
from realtime.models import PublishingModel, PublishingQuerySet


class PayeeQuerySet(PublishingQuerySet["Payee"]):
    """Payees; deleting some changes their transactions, whose balances are taken first."""

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the payees; their transactions lose the name, and each of them is told."""
        from ledger.services import balances, letting_go, touched

        using = self._writing_to()
        with transaction.atomic(using=using, savepoint=False):
            if self._is_plain():
                letting_go.make_way(self, using)
            with balances.operation(touched.of_payees(self), using=using):
                return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class Payee(PublishingModel):
    """Someone a family pays, or is paid by."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    family = models.ForeignKey(
        "accounts.Family", on_delete=models.CASCADE, related_name="payees", verbose_name=_("family")
    )
    name = models.CharField(_("name"), max_length=100)
    category = models.CharField(_("usual category"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = PayeeQuerySet.as_manager()  # type: ignore[misc]

    class Meta(PublishingModel.Meta):
        ordering = ["name"]
        verbose_name = _("payee")
        verbose_name_plural = _("payees")
        constraints = [models.UniqueConstraint(fields=["family", "name"], name="a_payee_is_named_once")]

    def __str__(self) -> str:
        return self.name

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the payee; its transactions lose the name, and each of them is told."""
        from ledger.services import balances, letting_go, touched

        using, alone = using or router.db_for_write(Payee, instance=self), Payee.objects.filter(pk=self.pk)
        with transaction.atomic(using=using, savepoint=False):
            letting_go.make_way(alone, using)
            with balances.operation(touched.of_payees(alone), using=using):
                return super().delete(using=using, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]


class TransferQuerySet(PublishingQuerySet["Transfer"]):
    """Transfers; deleting some takes both transactions of each along."""

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the transfers with their transactions, so that both accounts stay right."""
        from ledger.services import balances, legs, touched

        with balances.operation(touched.of_transfers(self), using=self._writing_to()), legs.together():
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class Transfer(PublishingModel):
    """Money that left one account for another of the same family and currency: two transactions, written together.

    Made and changed by ``ledger.services.transfers``. An account with transfers cannot be deleted: the other account
    would lose a payment it did have.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    family = models.ForeignKey(
        "accounts.Family", on_delete=models.CASCADE, related_name="transfers", verbose_name=_("family")
    )
    from_account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="transfers_out", verbose_name=_("from account")
    )
    to_account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="transfers_in", verbose_name=_("to account")
    )
    amount = models.DecimalField(_("amount"), max_digits=19, decimal_places=4)
    description = models.CharField(_("description"), max_length=200, blank=True)
    date = models.DateField(_("date"), default=timezone.localdate)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = TransferQuerySet.as_manager()  # type: ignore[misc]

    class Meta(PublishingModel.Meta):
        ordering = ["-date", "-id"]
        verbose_name = _("transfer")
        verbose_name_plural = _("transfers")
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="a_transfer_moves_something"),
            models.CheckConstraint(
                condition=~models.Q(from_account=models.F("to_account")), name="a_transfer_has_two_accounts"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} from {self.from_account_id} to {self.to_account_id}"

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the transfer with its transactions, so that both accounts stay right."""
        from ledger.services import balances, legs, touched

        both = touched.of_transfers(Transfer.objects.filter(pk=self.pk))
        with balances.operation(both, using=using), legs.together():
            return super().delete(using=using, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]


class TransactionQuerySet(PublishingQuerySet["Transaction"]):
    """Transactions; each write takes the balances first, in one order, and posts to each account once."""

    def update(self, **values: Any) -> int:
        """Update the transactions, post what that means for the balances, and tell each."""
        from ledger.services import balances, touched

        values.setdefault("updated_at", timezone.now())
        with balances.operation(touched.of_update(self, values), using=self._writing_to()):
            return super().update(**values)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the transactions, take them out of the balances, and tell each."""
        from ledger.services import balances, touched

        with balances.operation(touched.of_transactions(self), using=self._writing_to()):
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def bulk_create(  # type: ignore[override]
        self, objs: Iterable[Transaction], batch_size: int | None = None, **options: Any
    ) -> list[Transaction]:
        """Insert transactions: rules first, then one posting per account; each is told."""
        from ledger.services import balances, rules

        rows = list(objs)
        using = self._writing_to()
        accounts = {row.account_id for row in rows}
        with balances.operation(accounts, using=using), rules.filling_in(rows, using=using):
            return super().bulk_create(rows, batch_size=batch_size, **options)

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, objs: Iterable[Transaction], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Update transactions from instances; all accounts concerned are taken at once, before the first batch."""
        from ledger.services import balances, touched

        rows = list(objs)
        names = {*fields, "updated_at"}
        now = timezone.now()
        for row in rows:
            row.updated_at = now
        with balances.operation(touched.of_instances(rows), using=self._writing_to()):
            return super().bulk_update(rows, names, batch_size=batch_size)

    bulk_update.alters_data = True  # type: ignore[attr-defined]


class Transaction(PublishingModel):
    """Money that came to an account or left it."""

    class Status(models.TextChoices):
        """Whether the money has moved."""

        PENDING = "pending", _("pending")
        POSTED = "posted", _("posted")
        VOID = "void", _("void")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="transactions", verbose_name=_("account")
    )
    amount = models.DecimalField(
        _("amount"), max_digits=19, decimal_places=4, help_text=_("Negative: money that leaves the account.")
    )
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.POSTED)
    description = models.CharField(_("description"), max_length=200, blank=True)
    payee = models.ForeignKey(
        Payee,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="transactions",
        verbose_name=_("payee"),
    )
    category = models.CharField(_("category"), max_length=64, blank=True)
    date = models.DateField(_("date"), default=timezone.localdate)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    transfer = models.ForeignKey(
        Transfer,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="transactions",
        verbose_name=_("transfer"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = TransactionQuerySet.as_manager()  # type: ignore[misc]

    class Meta(PublishingModel.Meta):
        ordering = ["-date", "-id"]
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        indexes = [models.Index(fields=["account", "-date", "-id"], name="transactions_of_an_account")]

    def __str__(self) -> str:
        return f"{self.date} {self.amount} {self.description}"

    def clean(self) -> None:
        """For forms: what the ledger would refuse, said above the fields."""
        from ledger.errors import LedgerError
        from ledger.services import transactions

        if None in (self.account_id, self.amount):  # the form says that already
            return
        try:
            transactions.check(self, router.db_for_read(Transaction))
        except LedgerError as error:
            raise ValidationError(str(error)) from error

    def save(
        self,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save, post to the balance of the account, or of both when it moved, and tell it."""
        from ledger.services import balances, rules, touched

        using = using or router.db_for_write(Transaction, instance=self)
        if update_fields:
            update_fields = {*update_fields, "updated_at"}
        accounts = {self.account_id} if self._state.adding else touched.of_instances([self])
        with balances.operation(accounts, using=using), rules.filling_in([self], using=using):
            super().save(force_insert=force_insert, force_update=force_update, using=using, update_fields=update_fields)

    save.alters_data = True  # type: ignore[attr-defined]

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete, take it out of the balance, and tell it."""
        from ledger.services import balances, touched

        with balances.operation(touched.of_instances([self]), using=using):
            return super().delete(using=using, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]
