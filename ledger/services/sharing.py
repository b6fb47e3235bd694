"""Who comes to see an account and who no longer does, when it or its shares change.

Made private, an account leaves the family's sight: it is ``deleted`` on the family's topic and ``created`` on its own.
Its transactions are not sent again one by one: for those who keep it, the account's topic is new, and a new topic
begins with a snapshot. Made public, it is ``created`` on the family's topic, and its transactions are fetched with it.
It changes sight first of all in its transaction, or not at all: what had moved to it or away from it before would have
been told to an audience that no longer is the one to be told.

Rights are told before the news, so that who loses sight hears no more and who gains it hears all; except when an
account is deleted, which everyone who saw it shall hear.

Who is told to lose sight is read from rows that others may be changing, and what is not yet committed is not seen. So
each holds what the other reads: who changes a membership holds the family's accounts, who changes an account or its
shares holds that account, who opens one holds the memberships. Else somebody whom neither saw would keep a topic for
ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import router
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.access import hold_roles
from accounts.models import Family, Membership, User
from accounts.topics import family_topic
from ledger import access, events
from ledger.errors import AlreadyTold, CurrencyMismatch, NotInFamily, TooManyShares
from ledger.models import Account, AccountShare, Balance, Rule, Transaction
from ledger.money import check_currency
from ledger.services import balances, touched
from ledger.topics import account_topic, rules_topic
from realtime.topics import Topic

# Each is a topic of each connection of theirs; without a bound others could fill up somebody's.
MOST_SHARED_WITH = 50


def check(after: Account, before: Account | None = None) -> None:
    """Raise AmountRefused, CurrencyMismatch or NotInFamily for a currency or family the account cannot have."""
    check_currency(after.currency)
    if before is None:
        return
    if before.family_id != after.family_id:
        raise NotInFamily(_("An account stays in its family: make another one there."))
    if before.currency != after.currency and Transaction.objects.filter(account=after.pk).exists():
        raise CurrencyMismatch(_("The currency of an account with transactions is fixed: make another account."))


def topics_through(user: User, family_id: UUID) -> Iterable[Topic]:
    """The account topics the user reads as a member of the family. For ``accounts.access.register_things``."""
    # The accounts first, as whoever changes one, or its shares, has it in hand before it comes for the shares.
    _hold(Account.objects.filter(family=family_id))
    _hold(AccountShare.objects.filter(user=user.pk, account__family=family_id))
    return access.account_topics_through(user, family_id)


def hold_of(users: QuerySet[User], using: str) -> Collection[UUID]:
    """Hold all accounts that the users see or wrote on. For ``accounts.access.register_things``."""
    return balances.lock(_of(users), using).keys()


def look_at(users: QuerySet[User], using: str) -> Collection[UUID]:
    """Name all accounts that the users see or wrote on. For ``accounts.access.register_things``."""
    return balances.named(_of(users), using)


def hold_accounts(user: User, ids: Collection[UUID]) -> None:
    """Let nobody change those of the accounts that the user sees, or what the user may do on them.

    Until the transaction ends. Find them again then: one may just have been closed, or have gone out of sight.
    """
    seen = access.visible_accounts(user).filter(pk__in=ids)
    hold_roles(Family.objects.filter(pk__in=seen.values("family")), [user.pk])
    balances.lock(touched.of_accounts(seen), router.db_for_write(Account))


def account_created(account: Account, row: Balance) -> None:
    """Tell a new account; a private one opens its topic to its owner."""
    _hold(Membership.objects.filter(family=account.family_id))
    if account.is_private:
        events.account_rights_changed(account.pk, gained=access.readers(account))
    events.account_update(account, "created", row=row)


def account_updated(before: Account, after: Account, using: str) -> None:
    """Tell a changed account, and who sees it or no longer does.

    Raises AlreadyTold when it became private, or public, after its transaction had changed something on it.
    """
    if before.is_private != after.is_private and events.is_told(after, using):
        raise AlreadyTold(
            _(
                "The same transaction has already changed this account or what is on it: make it private, or public, "
                "before everything else, or in a transaction of its own."
            )
        )
    if (before.is_private, before.owner_id) != (after.is_private, after.owner_id):
        _tell_rights(before, after)
    shares = AccountShare.objects.using(using).filter(account=after.pk)
    tell = partial(
        events.account_update,
        # Not the instance's own, which may be as old as the caller likes.
        row=Balance.objects.using(using).get(pk=after.pk),
        shared_with=list(shares.values_list("user_id", flat=True)),
    )
    family, own = [family_topic(after.family_id)], [account_topic(after.pk)]
    if before.is_private == after.is_private:
        tell(after, "updated")
    elif after.is_private:
        tell(before, "deleted", to=family)
        tell(after, "created", to=own)
    else:
        tell(after, "created", to=family)
        tell(after, "updated", to=own)
    if before.is_private != after.is_private:
        _tell_rules(before, after)


def account_deleted(account: Account) -> None:
    """Tell that an account is gone, then close its topic to all who saw it."""
    # A cascade took the balance first; the operation that deletes still holds it as it was.
    row = balances.held(account.pk) or Balance(account_id=account.pk)
    events.account_update(account, "deleted", row=row)
    events.account_rights_changed(account.pk, lost=access.readers(account))


def shared(share: AccountShare) -> None:
    """Open the account to the user, unless they see it anyway, and tell the others.

    Raises TooManyShares for a user whom others have given ``MOST_SHARED_WITH`` accounts already.
    """
    account = _held_account(share)
    _hold(User.objects.filter(pk=share.user_id))  # of two shares at once, the later one counts the earlier
    others = AccountShare.objects.filter(user=share.user_id).exclude(pk=share.pk)
    if others.count() >= MOST_SHARED_WITH:
        raise TooManyShares(_("This user is shown as many accounts of others as one can be: take one back first."))
    if not access.sees_as_member(share.user_id, account):
        events.account_rights_changed(share.account_id, gained=[share.user_id])
    _touch(share)


def unshared(share: AccountShare) -> None:
    """Close the account to the user, unless they see it anyway, and tell the others."""
    if not access.sees_as_member(share.user_id, _held_account(share)):
        events.account_rights_changed(share.account_id, lost=[share.user_id])
    _touch(share)


def _of(users: QuerySet[User]) -> Q:
    return touched.of_everything(users) | touched.of_transactions(Transaction.objects.filter(created_by__in=users))


def _tell_rules(before: Account, after: Account) -> None:
    for rule in Rule.objects.filter(account=after.pk).order_by("pk"):
        events.rule_update(rule, "deleted", to=[rules_topic(before)])
        events.rule_update(rule, "created", to=[rules_topic(after)])


def _tell_rights(before: Account, after: Account) -> None:
    saw, see = access.readers(before), access.readers(after)
    # Those who keep a private account in sight now have it from its own topic alone: they are to join it.
    offered = see & saw if after.is_private else ()
    events.account_rights_changed(after.pk, gained=see - saw, lost=saw - see, offered=offered)


def _touch(share: AccountShare) -> None:
    """Raise the account's version and tell it, as whom it is shared with is part of it.

    Not while the account itself is being deleted, when its balance may have gone already.
    """
    Account.objects.filter(pk=share.account_id, balance_row__isnull=False).update(name=F("name"))


def _held_account(share: AccountShare) -> Account:
    """The account as it is, held; the instance's own may be as old as the caller likes."""
    return Account.objects.select_for_update(no_key=True).filter(pk=share.account_id).first() or share.account


def _hold(rows: QuerySet[Any]) -> None:
    """Hold rows until the transaction ends, in key order, but not so hard that what refers to them had to wait."""
    list(rows.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
