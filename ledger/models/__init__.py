"""The tables of the ledger. Each write is told, row by row; balances and credits only their services may write."""

from ledger.models.accounts import Account, AccountShare, Balance
from ledger.models.credits import CreditBalance, CreditEntry
from ledger.models.notices import IdempotencyKey, Notification
from ledger.models.rules import Rule, RuleRun
from ledger.models.transactions import Payee, Transaction, Transfer

__all__ = [
    "Account",
    "AccountShare",
    "Balance",
    "CreditBalance",
    "CreditEntry",
    "IdempotencyKey",
    "Notification",
    "Payee",
    "Rule",
    "RuleRun",
    "Transaction",
    "Transfer",
]
