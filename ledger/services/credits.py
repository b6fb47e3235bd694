"""Credits change here and nowhere else: one entry and the new balance, under the lock of the user's CreditBalance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from ledger import events
from ledger.errors import AmountRefused, InsufficientCredit, LedgerError
from ledger.models import CreditBalance, CreditEntry
from ledger.models.guarded import insert, unguarded
from ledger.money import check_credit, format_credit
from realtime.holding import keep

MAX_METADATA = 4096
"""Bytes."""


def change(user: User, amount: Decimal, reason: str, metadata: Mapping[str, Any] | None = None) -> CreditEntry:
    """Add ``amount``, which may be negative, to a user's credit, and tell them.

    Raises InsufficientCredit if that would leave less than none, AmountRefused for zero or more than two decimals,
    LedgerError for an unknown reason or metadata that is no small JSON object, User.DoesNotExist for who has just been
    deleted; then nothing was written.
    """
    _check(amount, reason, metadata or {})
    using = router.db_for_write(CreditBalance)
    with transaction.atomic(using=using):
        credit = _locked(user, using)
        if credit.balance + amount < 0:
            raise InsufficientCredit(
                _("Credit is {balance}; {amount} cannot be taken from it.").format(
                    balance=format_credit(credit.balance), amount=format_credit(-amount)
                )
            )
        credit.balance = check_credit(credit.balance + amount)
        credit.version += 1
        credit.updated_at = timezone.now()
        unguarded(CreditBalance, using).filter(pk=credit.pk).update(
            balance=credit.balance, version=credit.version, updated_at=credit.updated_at
        )
        entry = CreditEntry(
            user=user,
            change=amount,
            balance_after=credit.balance,
            reason=reason,
            metadata=dict(metadata or {}),
            created_at=credit.updated_at,
        )
        insert([entry], using)
        events.credit_balance_update(credit, entry)
    return entry


def balance_of(user: User) -> CreditBalance:
    """A user's credit; an unsaved row of nothing for someone who never had any."""
    nothing = CreditBalance(user=user, balance=Decimal(0), version=0, updated_at=user.date_joined)
    return CreditBalance.objects.filter(user=user).first() or nothing


def _locked(user: User, using: str) -> CreditBalance:
    # The user first, as who deletes one comes to the credit after that.
    if not keep(User.objects.using(using).filter(pk=user.pk)):
        raise User.DoesNotExist
    rows = unguarded(CreditBalance, using).filter(pk=user.pk).select_for_update()
    row = rows.first()
    if row is None:
        # Two first changes at once: one inserts, the other waits for it and finds the row.
        new = CreditBalance(user=user, balance=Decimal(0), version=0, updated_at=timezone.now())
        unguarded(CreditBalance, using).bulk_create([new], ignore_conflicts=True)
        row = rows.get()
    return row


def _check(amount: Decimal, reason: str, metadata: Mapping[str, Any]) -> None:
    if not check_credit(amount):
        raise AmountRefused(_("A change of credit is not zero."))
    if reason not in CreditEntry.Reason.values:
        raise LedgerError(
            _("{given} is no reason: {known}.").format(given=repr(reason), known=", ".join(CreditEntry.Reason.values))
        )
    try:
        size = _size_of(metadata)
    except (TypeError, ValueError) as error:
        raise LedgerError(_("Metadata is a JSON object: {fault}.").format(fault=error)) from error
    if size > MAX_METADATA:
        raise LedgerError(_("Metadata has at most {most} bytes.").format(most=MAX_METADATA))


def _size_of(metadata: Mapping[str, Any]) -> int:
    """Bytes of it as JSON. Raises TypeError, or ValueError, for what is none, or what PostgreSQL would not keep."""
    text = json.dumps(dict(metadata), allow_nan=False, ensure_ascii=False)
    # Without backslashes that stand for themselves: behind one of those it is somebody's text about null characters.
    if "\\u0000" in text.replace("\\\\", ""):
        raise ValueError("it holds a null character")
    return len(text.encode())
