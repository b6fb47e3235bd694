"""What the ledger tells: one function per event, payload and audience together.

Within one transaction the last word on a thing counts: a balance that was never committed is shown to nobody, and what
was made and then changed was, to everyone else, made so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

from accounts.topics import family_topic, user_topic
from ledger.models import (
    Account,
    Balance,
    CreditBalance,
    CreditEntry,
    Notification,
    Payee,
    Rule,
    RuleRun,
    Transaction,
)
from ledger.money import format_credit
from ledger.payloads import (
    account_data,
    balance_data,
    notification_data,
    payee_data,
    rule_data,
    rule_run_data,
    transaction_data,
)
from ledger.topics import account_topic, audience
from realtime import outbox
from realtime.outbox import publish
from realtime.topics import Topic, topic

Action = Literal["created", "updated", "deleted"]
NOTICE = "notification:"  # how the name of a notice begins, where events are about one


class Suggestion(NamedTuple):
    """A payee that a description may mean, and how surely: 0 to 100."""

    payee_id: UUID
    name: str
    score: int


def transaction_update(transaction: Transaction, action: Action, account: Account, *, to: Sequence[Topic] = ()) -> None:
    """Tell who sees the account, or those of them in ``to``, what a transaction is now, or last was."""
    data = {
        "transaction_id": transaction.pk,
        "action": action,
        "data": transaction_data(transaction, account),
    }
    _tell("TransactionUpdate", data, to or audience(account), transaction_key(transaction))


def transaction_key(transaction: Transaction) -> str:
    """The key under which a transaction is told."""
    return f"transaction:{transaction.pk}"


def transaction_moved(before: Transaction, after: Transaction, source: Account, target: Account) -> None:
    """Tell each audience what a transaction that changed accounts means to it: gone, come, or changed."""
    left = [each for each in audience(source) if each not in audience(target)]
    came = [each for each in audience(target) if each not in audience(source)]
    stayed = [each for each in audience(target) if each in audience(source)]
    if left:
        transaction_update(before, "deleted", source, to=left)
    if came:
        transaction_update(after, "created", target, to=came)
    if stayed:
        transaction_update(after, "updated", target, to=stayed)


def account_update(
    account: Account, action: Action, *, row: Balance, shared_with: Collection[UUID] = (), to: Sequence[Topic] = ()
) -> None:
    """Tell who sees the account, or those of them in ``to``, what it and its balance ``row`` are now, or last were."""
    data = {
        "account_id": account.pk,
        "action": action,
        "data": account_data(account, row=row, shared_with=shared_with),
        "version": account.version,
    }
    _tell("AccountUpdate", data, to or audience(account), f"account:{account.pk}")


def account_balance_update(row: Balance) -> None:
    """Tell who sees the account what is on it."""
    _tell("AccountBalanceUpdate", balance_data(row, row.account), audience(row.account), f"balance:{row.pk}")


def is_told(account: Account, using: str) -> bool:
    """Whether the open transaction is about to tell something of the account, or of what is or was on it."""
    return outbox.told(account_topic(account.pk), using=using)


def account_rights_changed(
    account_id: UUID, *, gained: Iterable[UUID] = (), lost: Iterable[UUID] = (), offered: Iterable[UUID] = ()
) -> None:
    """Open or close the account's topic for these users, on every connection they have.

    To those in ``offered`` it was open and now comes without asking.
    """
    topics = [account_topic(account_id)]
    for user_id in sorted(lost):
        outbox.rights_changed(user_id, lost=topics)
    for user_id in sorted(gained):
        outbox.rights_changed(user_id, gained=topics)
    for user_id in sorted(offered):
        outbox.rights_changed(user_id, offered=topics)


def payee_update(payee: Payee, action: Action) -> None:
    """Tell the family what a payee is now, or last was."""
    data = {"payee_id": payee.pk, "action": action, "data": payee_data(payee), "version": payee.version}
    _tell("PayeeUpdate", data, [family_topic(payee.family_id)], f"payee:{payee.pk}")


def rule_update(rule: Rule, action: Action, *, to: Sequence[Topic]) -> None:
    """Tell those on ``to`` what a rule is now, or last was."""
    data = {"rule_id": rule.pk, "action": action, "data": rule_data(rule), "version": rule.version}
    _tell("RuleUpdate", data, to, f"rule:{rule.pk}")


def rule_executed(run: RuleRun, user_id: UUID) -> None:
    """Tell the user what a run of a rule did for them."""
    publish("RuleExecuted", rule_run_data(run), to=[user_topic(user_id)])


def payee_suggestion(
    user_id: UUID, description: str, suggestions: Sequence[Suggestion], transaction_id: UUID | None = None
) -> None:
    """Tell the user which payees a description may mean, best first."""
    data = {
        "transaction_id": transaction_id,
        "description": description,
        "suggestions": [each._asdict() for each in suggestions],
    }
    publish("PayeeSuggestion", data, to=[user_topic(user_id)])


def credit_balance_update(credit: CreditBalance, entry: CreditEntry) -> None:
    """Tell the user what credit they have, and what became of it last."""
    data = {
        "user_id": credit.user_id,
        "entry_id": entry.pk,
        "balance": format_credit(credit.balance),
        "change": format_credit(entry.change),
        "reason": entry.reason,
        "metadata": entry.metadata,
        "version": credit.version,
    }
    publish("CreditBalanceUpdate", data, to=[user_topic(credit.user_id)])


def notification(notice: Notification, action: Action) -> None:
    """Give a notice to its user, its family, or everyone, until it is acknowledged or expires."""
    data = {**notification_data(notice), "action": action}
    wanted = action != "deleted"
    publish(
        "Notification",
        data,
        to=[_addressee(notice)],
        key=notice_name(notice.pk),
        ack=wanted,
        expires=notice.expires_at if wanted else None,
        about=notice_name(notice.pk),
        merge=_still_new,
    )


def notice_name(notice_id: UUID) -> str:
    """What the events of one notice are about."""
    return f"{NOTICE}{notice_id}"


def _addressee(notice: Notification) -> Topic:
    if notice.user_id is not None:
        return user_topic(notice.user_id)
    return topic("global") if notice.family_id is None else family_topic(notice.family_id)


def _tell(type: str, data: Mapping[str, Any], to: Iterable[Topic], key: str) -> None:
    publish(type, data, to=to, key=key, merge=_still_new)


def _still_new(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> Mapping[str, Any]:
    """Made and changed in one transaction: to everyone else it was only made."""
    if earlier.get("action") == "created" and later.get("action") == "updated":
        return {**later, "action": "created"}
    return later
