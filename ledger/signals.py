"""From changed rows to the books and the news, in this order.

Receivers of ``changed`` run inside the transaction of the change, once per row, whatever path wrote it; an error in one
undoes the change. What a receiver works out is in ``services``, what is told in ``events``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.dispatch import receiver

from accounts.models import Membership
from ledger import events
from ledger.events import Action
from ledger.models import Account, AccountShare, Notification, Payee, Rule, Transaction, Transfer
from ledger.services import balances, legs, payees, rules, sharing, transactions
from realtime.models import PublishingModel
from realtime.signals import changed

M = TypeVar("M", bound=PublishingModel)


@receiver(changed, sender=Transaction)
def transaction_changed(before: Transaction | None, after: Transaction | None, using: str, **kwargs: Any) -> None:
    """Check, post and tell a transaction."""
    legs.check_transaction(before, after)
    if after is not None:
        transactions.check(after, using)
    for row, sums in ((before, -balances.contribution(before)), (after, balances.contribution(after))):
        if row is not None:
            balances.apply(row.account_id, sums, using=using)
    transactions.tell(before, after, using)
    if before is None and after is not None:
        payees.tell_about(after, using)
    for row in (before, after):
        if row is not None and row.payee_id is not None:
            payees.changed(balances.account(row.account_id, using).family_id)


@receiver(changed, sender=Transfer)
def transfer_changed(before: Transfer | None, after: Transfer | None, **kwargs: Any) -> None:
    """See that a transfer is written with its transactions; they are the news."""
    legs.check_transfer(before, after)


@receiver(changed, sender=Account)
def account_changed(before: Account | None, after: Account | None, using: str, **kwargs: Any) -> None:
    """Open the books of a new account; say who sees it, from now on or no longer, and what it is."""
    if after is None:
        assert before is not None
        sharing.account_deleted(before)
    elif before is None:
        sharing.check(after)
        sharing.account_created(after, balances.open_books(after, using))
    else:
        sharing.check(after, before)
        sharing.account_updated(before, after, using)


@receiver(changed, sender=AccountShare)
def share_changed(before: AccountShare | None, after: AccountShare | None, **kwargs: Any) -> None:
    """Take sight of an account from one user, or give it to one."""
    if before is not None:
        sharing.unshared(before)
    if after is not None:
        sharing.shared(after)


@receiver(changed, sender=Membership)
def membership_changed(before: Membership | None, after: Membership | None, **kwargs: Any) -> None:
    """Let shares end with the membership, so that leaving a family takes all of its accounts along."""
    was_member = before is not None and before.is_active
    if before is not None and was_member and not _is_still(before, after):
        AccountShare.objects.filter(user=before.user_id, account__family=before.family_id).delete()


@receiver(changed, sender=Payee)
def payee_changed(before: Payee | None, after: Payee | None, **kwargs: Any) -> None:
    """Tell what became of a payee."""
    transactions.check_payee(before, after)
    row, action = _last(before, after)
    payees.changed(row.family_id)
    events.payee_update(row, action)


@receiver(changed, sender=Rule)
def rule_changed(before: Rule | None, after: Rule | None, using: str, **kwargs: Any) -> None:
    """Tell what became of a rule."""
    if after is not None:
        rules.check(after, using)
    rules.tell(before, after, using)


@receiver(changed, sender=Notification)
def notification_changed(before: Notification | None, after: Notification | None, **kwargs: Any) -> None:
    """Give a notice, correct it, or take it back; of one addressed anew, both from different people."""
    if before is not None and after is not None and not _is_for_the_same(before, after):
        events.notification(before, "deleted")
        events.notification(after, "created")
        return
    row, action = _last(before, after)
    events.notification(row, action)


def _last(before: M | None, after: M | None) -> tuple[M, Action]:
    """The row as it is, or last was, and what happened to it."""
    if after is not None:
        return after, "created" if before is None else "updated"
    assert before is not None
    return before, "deleted"


def _is_for_the_same(before: Notification, after: Notification) -> bool:
    return (before.user_id, before.family_id) == (after.user_id, after.family_id)


def _is_still(before: Membership, after: Membership | None) -> bool:
    if after is None or not after.is_active:
        return False
    return (before.family_id, before.user_id) == (after.family_id, after.user_id)
