"""What must hold of every transaction and payee, whatever path wrote them, and to whom a changed one is told."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import User
from ledger import events
from ledger.errors import LedgerError, NotInFamily
from ledger.models import Payee, Transaction
from ledger.money import check_amount
from ledger.services import balances

_PAYEE = Transaction._meta.get_field("payee")
_CREATED_BY = Transaction._meta.get_field("created_by")
_STATUSES: list[str] = Transaction.Status.values  # Django makes the list anew each time it is asked


def check(transaction: Transaction, using: str) -> None:
    """Raise AmountRefused, NotInFamily or LedgerError if a transaction just written may not be so."""
    account = balances.account(transaction.account_id, using)
    check_amount(transaction.amount, account.currency)
    if transaction.status not in _STATUSES:
        raise LedgerError(
            _("{given} is no status: {known}.").format(given=repr(transaction.status), known=", ".join(_STATUSES))
        )
    _look_up_names(transaction, using)
    if transaction.payee is not None and transaction.payee.family_id != account.family_id:
        raise NotInFamily(_("The payee belongs to another family."))


def check_payee(before: Payee | None, after: Payee | None) -> None:
    """Raise NotInFamily if a payee was to change families: its transactions could not follow."""
    if before is not None and after is not None and before.family_id != after.family_id:
        raise NotInFamily(_("A payee stays in its family: make another one there."))


def tell(before: Transaction | None, after: Transaction | None, using: str) -> None:
    """Tell each audience what the change means to it."""
    for row in (before, after):
        if row is not None:
            _look_up_names(row, using)
    if before is None and after is not None:
        events.transaction_update(after, "created", balances.account(after.account_id, using))
    elif before is not None and after is None:
        events.transaction_update(before, "deleted", balances.account(before.account_id, using))
    elif before is not None and after is not None:
        source, target = (balances.account(row.account_id, using) for row in (before, after))
        if source.pk == target.pk:
            events.transaction_update(after, "updated", target)
        else:
            events.transaction_moved(before, after, source, target)


def _look_up_names(transaction: Transaction, using: str) -> None:
    """Fetch payee and writer once per operation, not once per row."""
    if transaction.payee_id is not None and not _PAYEE.is_cached(transaction):
        transaction.payee = balances.find(Payee, transaction.payee_id, using)
    if transaction.created_by_id is not None and not _CREATED_BY.is_cached(transaction):
        transaction.created_by = balances.find(User, transaction.created_by_id, using)
