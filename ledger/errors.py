"""What the ledger refuses, and why: one base, one code each, for callers to turn into their own answer."""

from __future__ import annotations

from realtime.models import Refused

__all__ = [
    "AlreadyTold",
    "AmountRefused",
    "CurrencyMismatch",
    "InsufficientCredit",
    "LedgerError",
    "NotInFamily",
    "Refused",
    "TooManyShares",
    "TransferLeg",
]


class LedgerError(Exception):
    """The ledger will not do this. The message says why and what to do instead, and is fit for the user's eyes."""

    code = "refused"


class AmountRefused(LedgerError):
    """An amount that the currency cannot express, or too large to be kept exactly."""

    code = "amount"


class CurrencyMismatch(LedgerError):
    """Two accounts of different currencies, or a currency that can no longer be changed."""

    code = "currency"


class InsufficientCredit(LedgerError):
    """The change would leave a user with less than no credit."""

    code = "insufficient_credit"


class AlreadyTold(LedgerError):
    """Who sees an account was to change after the same transaction had changed something that they see."""

    code = "already_told"


class NotInFamily(LedgerError):
    """A payee, rule or account of another family."""

    code = "family"


class TooManyShares(LedgerError):
    """A user who is shown as many accounts of others as one can be."""

    code = "too_many_shares"


class TransferLeg(LedgerError):
    """One transaction of a transfer was to be changed without the other."""

    code = "transfer_leg"
