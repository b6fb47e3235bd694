"""The form of what the ledger's events carry, for the published AsyncAPI document.

Separate from ``events`` and ``payloads``, which make the data: tests hold the one against the other.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from ledger.models import Account, CreditEntry, Notification, RuleRun, Transaction
from realtime.asyncapi import one_of, register_event
from realtime.desk.news import rows_of

Action = Literal["created", "updated", "deleted"]
Money = Annotated[str, Meta(pattern=r"^-?\d+(\.\d+)?$", description="With the currency's exact decimals.")]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217.")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
When = Annotated[str, Meta(pattern=r"Z$", description="RFC 3339, UTC, milliseconds and Z.")]


class TransactionState(Struct):
    """A transaction as the least privileged reader of the topic sees it."""

    id: UUID
    account_id: UUID
    amount: Money
    currency: Currency
    status: Annotated[str, one_of(Transaction.Status.values)]
    description: str
    payee_id: UUID | None
    payee_name: str | None
    category: str
    date: Day
    created_by: UUID | None
    created_by_name: str | None
    transfer_id: UUID | None
    created_at: When
    updated_at: When
    version: int


class TransactionUpdate(Struct):
    """A transaction came, changed or went; on ``deleted``, as it last was."""

    transaction_id: UUID
    action: Action
    data: TransactionState


class AccountState(Struct):
    """An account, its number masked."""

    id: UUID
    family_id: UUID
    owner_id: UUID
    name: str
    type: Annotated[str, one_of(Account.Type.values)]
    currency: Currency
    number: Annotated[str, Meta(pattern="^(••••.{0,4})?$")]
    is_private: bool
    shared_with: list[UUID]
    balance: Money
    available_balance: Money
    version: int


class AccountUpdate(Struct):
    """An account came, changed or went; on ``deleted``, as it last was."""

    account_id: UUID
    action: Action
    data: AccountState
    version: int


class AccountBalanceUpdate(Struct):
    """What is on an account. Pending money is not available."""

    account_id: UUID
    balance: Money
    available_balance: Money
    currency: Currency
    version: int


class PayeeState(Struct):
    """A payee, as its family sees it."""

    id: UUID
    family_id: UUID
    name: str
    category: str
    version: int


class PayeeUpdate(Struct):
    """A payee came, changed or went."""

    payee_id: UUID
    action: Action
    data: PayeeState
    version: int


class RuleState(Struct):
    """A rule: what it looks for, and what it then sets."""

    id: UUID
    family_id: UUID
    name: str
    priority: int
    is_active: bool
    description_contains: str
    amount_min: Money | None
    amount_max: Money | None
    account_id: UUID | None
    set_category: str
    set_payee_id: UUID | None
    created_by: UUID | None
    version: int


class RuleUpdate(Struct):
    """A rule came, changed or went."""

    rule_id: UUID
    action: Action
    data: RuleState
    version: int


class RuleExecuted(Struct):
    """A rule has run: how many transactions it matched, and how many of them it changed."""

    rule_id: UUID
    run_id: UUID
    trigger: Annotated[str, one_of(RuleRun.Trigger.values)]
    matched_count: int
    changed_count: int


class SuggestedPayee(Struct):
    """A payee, and how surely it is meant: 0 to 100."""

    payee_id: UUID
    name: str
    score: Annotated[int, Meta(ge=0, le=100)]


class PayeeSuggestion(Struct):
    """Payees that a description may mean, best first."""

    transaction_id: UUID | None
    description: str
    suggestions: list[SuggestedPayee]


class CreditBalanceUpdate(Struct):
    """What credit a user has, and what became of it last."""

    user_id: UUID
    entry_id: UUID
    balance: Money
    change: Money
    reason: Annotated[str, one_of(CreditEntry.Reason.values)]
    metadata: dict[str, Any]
    version: int


class NotificationData(Struct):
    """A notice; ``deleted`` when it was taken back."""

    notification_id: UUID
    level: Annotated[str, one_of(Notification.Level.values)]
    title: str
    message: str
    created_at: When
    expires_at: When | None
    action: Action


register_event("TransactionUpdate", TransactionUpdate, ["family", "account"])
register_event("AccountUpdate", AccountUpdate, ["family", "account"])
register_event("AccountBalanceUpdate", AccountBalanceUpdate, ["family", "account"])
register_event("PayeeUpdate", PayeeUpdate, ["family"])
register_event("RuleUpdate", RuleUpdate, ["family", "account"])
register_event("RuleExecuted", RuleExecuted, ["user"])
register_event("PayeeSuggestion", PayeeSuggestion, ["user"])
register_event("CreditBalanceUpdate", CreditBalanceUpdate, ["user"])
register_event("Notification", NotificationData, ["user", "family", "global"])

# What staff's lists in the admin are told of, and what leads from an event to its row.
rows_of("ledger.transaction", {"TransactionUpdate": "transaction_id"})
rows_of("ledger.account", {"AccountUpdate": "account_id"})
rows_of("ledger.balance", {"AccountBalanceUpdate": "account_id", "AccountUpdate": "account_id"})
rows_of("ledger.creditbalance", {"CreditBalanceUpdate": "user_id"})
rows_of("ledger.creditentry", {"CreditBalanceUpdate": ""})
rows_of("ledger.notification", {"Notification": "notification_id"})
