"""The two transactions of a transfer stay a pair: neither is changed without the other.

Separate from ``transfers`` because the check stands on the way of every transaction, the service only on a transfer's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from ledger.errors import TransferLeg

if TYPE_CHECKING:
    from ledger.models import Transaction, Transfer

# What both legs share, or have as each other's opposite. Payee and category may differ.
_PAIRED = ("account_id", "amount", "status", "date", "transfer_id")
_AGREED = ("family_id", "from_account_id", "to_account_id", "amount", "date")

_WAY = "call ledger.services.transfers: create(), change() or delete(); over REST, use the transfer"

_are_together: ContextVar[bool] = ContextVar("legs_together", default=False)


@contextmanager
def together() -> Iterator[None]:
    """Say that what is written inside keeps both legs right. For the code that does."""
    token = _are_together.set(True)
    try:
        yield
    finally:
        _are_together.reset(token)


def check_transaction(before: Transaction | None, after: Transaction | None) -> None:
    """Raise TransferLeg if one leg was written alone in a way that the other would have to follow."""
    is_leg = any(each is not None and each.transfer_id is not None for each in (before, after))
    if is_leg and not _are_together.get() and _differ(before, after, _PAIRED):
        raise TransferLeg(_("This transaction is one half of a transfer: {way}.").format(way=_WAY))


def check_transfer(before: Transfer | None, after: Transfer | None) -> None:
    """Raise TransferLeg if a transfer was written without its transactions."""
    if not _are_together.get() and _differ(before, after, _AGREED):
        raise TransferLeg(_("A transfer and its two transactions are written together: {way}.").format(way=_WAY))


def _differ(before: object | None, after: object | None, names: tuple[str, ...]) -> bool:
    if before is None or after is None:
        return True
    return any(getattr(before, name) != getattr(after, name) for name in names)
