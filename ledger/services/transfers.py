"""Transfers: two transactions in one database transaction, both balances taken in one order."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from django.db import router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from ledger.errors import AmountRefused, CurrencyMismatch, LedgerError, NotInFamily
from ledger.models import Account, Transaction, Transfer
from ledger.money import check_amount
from ledger.services import balances, legs, touched


def create(
    user: User | None,
    from_account: Account,
    to_account: Account,
    amount: Decimal,
    *,
    description: str = "",
    date: datetime.date | None = None,
    status: str = Transaction.Status.POSTED,
) -> Transfer:
    """Move ``amount`` from one account to another of the same family and currency.

    Rights are the caller's to check. Raises AmountRefused, CurrencyMismatch or NotInFamily; then nothing was written.
    """
    _check(from_account, to_account, amount)
    using = router.db_for_write(Transfer)
    both = [from_account.pk, to_account.pk]
    with transaction.atomic(using=using), balances.operation(both, using=using), legs.together():
        transfer = Transfer.objects.create(
            family_id=from_account.family_id,
            from_account=from_account,
            to_account=to_account,
            amount=amount,
            description=description,
            date=date or timezone.localdate(),
            created_by=user,
        )
        Transaction.objects.bulk_create(_leg(transfer, end, status) for end in (from_account, to_account))
    return transfer


def change(transfer: Transfer, **changes: Any) -> Transfer:
    """Change ``amount``, ``description``, ``date`` or ``status`` of a transfer, in both of its transactions.

    Other accounts make another transfer: delete this one. Returns the transfer as it now is.
    """
    if unknown := changes.keys() - {"amount", "description", "date", "status"}:
        raise LedgerError(
            _("A transfer's {names} cannot be changed: delete it and make another.").format(
                names=", ".join(sorted(unknown))
            )
        )
    using = router.db_for_write(Transfer)
    both = touched.of_transfers(Transfer.objects.filter(pk=transfer.pk))
    with transaction.atomic(using=using), balances.operation(both, using=using), legs.together():
        current = Transfer.objects.select_related("from_account", "to_account").get(pk=transfer.pk)
        _check(current.from_account, current.to_account, changes.get("amount", current.amount))
        _set(current, changes)
        for leg in current.transactions.order_by("pk"):
            _set(leg, changes, sign=-1 if leg.account_id == current.from_account_id else 1)
    return current


def delete(transfer: Transfer) -> None:
    """Undo a transfer: both of its transactions go with it."""
    transfer.delete()


def _set(row: Transfer | Transaction, changes: dict[str, Any], sign: int = 1) -> None:
    known = {name: value for name, value in changes.items() if name != "status" or isinstance(row, Transaction)}
    for name, value in known.items():
        setattr(row, name, sign * value if name == "amount" else value)
    if known:
        row.save(update_fields=list(known))


def _leg(transfer: Transfer, account: Account, status: str) -> Transaction:
    return Transaction(
        account=account,
        amount=-transfer.amount if account.pk == transfer.from_account_id else transfer.amount,
        status=status,
        description=transfer.description,
        date=transfer.date,
        created_by_id=transfer.created_by_id,
        transfer=transfer,
    )


def _check(from_account: Account, to_account: Account, amount: Decimal) -> None:
    if from_account.family_id != to_account.family_id:
        raise NotInFamily(_("A transfer stays within one family."))
    if from_account.pk == to_account.pk:
        raise LedgerError(_("A transfer needs two different accounts."))
    if from_account.currency != to_account.currency:
        raise CurrencyMismatch(
            _("{source} cannot be transferred to {target}: write two transactions instead.").format(
                source=from_account.currency, target=to_account.currency
            )
        )
    if check_amount(amount, from_account.currency) <= 0:
        raise AmountRefused(_("A transfer moves an amount above zero."))
