"""Who may see an account, and who may write to it: the only home of such rights.

An account of a family is seen by its active members; a private one only by its owner among them. Beside them, by
whomever it is shared with, in the family or not. Shares end with a membership (``signals``), so that leaving a family
takes all of its accounts along. Everything is asked of the database: what a connection's user object says may be old.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet

from accounts.access import MANAGERS, families_of, may_manage, may_write, role_in
from accounts.models import Membership, User
from ledger.models import Account, AccountShare, Notification, Payee, Rule, Transaction, Transfer
from ledger.topics import account_topic
from realtime.topics import Kind, Topic

Someone = User | AnonymousUser


def visible_accounts(user: Someone) -> QuerySet[Account]:
    """The accounts the user may see now."""
    if user.pk is None:
        return Account.objects.none()
    return Account.objects.filter(_seen_by(user.pk, user.pk))


def accounts_open_to_family(family_id: UUID) -> QuerySet[Account]:
    """The accounts every member of the family may see."""
    return Account.objects.filter(family=family_id, is_private=False)


def visible_transactions(user: Someone) -> QuerySet[Transaction]:
    """The transactions of the accounts the user may see."""
    return Transaction.objects.filter(account__in=visible_accounts(user))


def visible_transfers(user: Someone) -> QuerySet[Transfer]:
    """The transfers between two accounts the user may see."""
    accounts = visible_accounts(user)
    return Transfer.objects.filter(from_account__in=accounts, to_account__in=accounts)


def visible_payees(user: Someone) -> QuerySet[Payee]:
    """The payees of the user's families."""
    return Payee.objects.filter(family__in=families_of(user))


def visible_rules(user: Someone) -> QuerySet[Rule]:
    """The rules of the user's families; those for a private account with it, as they are told on its topic."""
    seen = visible_accounts(user)
    of_family = Q(family__in=families_of(user)) & (Q(account=None) | Q(account__in=seen))
    return Rule.objects.filter(of_family | Q(account__in=seen.filter(is_private=True)))


def visible_notifications(user: Someone) -> QuerySet[Notification]:
    """The notices to the user, to their families, and to everyone."""
    if user.pk is None:
        return Notification.objects.none()
    everyone = Q(user=None, family=None)
    return Notification.objects.filter(Q(user=user.pk) | Q(family__in=families_of(user)) | everyone)


def may_see_account(user: Someone, account: Account) -> bool:
    """Whether the user may see the account. One query."""
    return visible_accounts(user).filter(pk=account.pk).exists()


def may_write_account(user: Someone, account: Account) -> bool:
    """Whether the user may write transactions on the account: they see it, and may write in its family."""
    return may_write(user, account.family_id) and may_see_account(user, account)


def may_manage_account(user: Someone, account: Account) -> bool:
    """Whether the user may change the account itself, share and delete it.

    Its owner while they may write in the family, and who manages the family, as far as they see it.
    """
    if user.pk == account.owner_id:
        return may_write(user, account.family_id)
    return may_manage(user, account.family_id) and may_see_account(user, account)


def may_see_full_number(user: Someone, account: Account) -> bool:
    """Whether the user may see the account's number unmasked: its owner, and who manages the family."""
    role = role_in(user, account.family_id)
    if user.pk == account.owner_id:
        return role is not None
    return may_manage(user, account.family_id) and may_see_account(user, account)


def with_full_numbers(accounts: QuerySet[Account], user: Someone) -> QuerySet[Account]:
    """Mark each of ``accounts``, all of which the user sees, with ``shows_full_number``: a list in one query."""
    mine = Membership.objects.filter(family=OuterRef("family"), user=user.pk, is_active=True, user__is_active=True)
    full = Q(Exists(mine.filter(role__in=MANAGERS))) | (Q(owner=user.pk) & Q(Exists(mine)))
    return accounts.annotate(shows_full_number=ExpressionWrapper(full, output_field=BooleanField()))


class AccountKind(Kind):
    """One account: its balance and its transactions, for those who may see it."""

    name = "account"

    def readable(self, user: Someone, keys: Collection[str]) -> set[str]:
        return _keys(visible_accounts(user).filter(pk__in=keys))

    def automatic(self, user: Someone) -> set[str]:
        """Those the user may see but none of their families' topics carries."""
        if user.pk is None:
            return set()
        return _keys(visible_accounts(user).filter(Q(is_private=True) | ~Q(_member(user.pk))))

    def audience(self, key: str) -> QuerySet[User]:
        account = Account.objects.filter(pk=key).first()
        return User.objects.filter(pk__in=readers(account) if account else ())

    def rows(self, keys: Collection[str] | None = None) -> list[QuerySet[Any]]:
        user, outer = OuterRef("pk"), OuterRef(OuterRef("pk"))  # from a row, and from a row's own subquery
        if keys is not None:
            return [Account.objects.filter(_seen_by(user, outer), pk__in=keys).values(topic_key=F("pk"))]
        # Two ways that each begin at the user's own rows: together they are one way through all accounts.
        own = Account.objects.filter(Q(_member(outer)), owner=user, is_private=True)
        shares = AccountShare.objects.filter(user=user)
        member = Exists(Membership.objects.filter(user=outer, is_active=True, family=OuterRef("account__family")))
        shared = shares.filter(Q(account__is_private=True) | ~Q(member))
        return [own.values(topic_key=F("pk")), shared.values(topic_key=F("account"))]


def account_topics_through(user: User, family_id: UUID) -> Iterable[Topic]:
    """The account topics the user reads as a member of the family. Who is about to change that holds the rows first."""
    mine = Q(is_private=False) | Q(owner=user.pk) | Q(_shared(user.pk))
    ids = Account.objects.filter(mine, family=family_id).order_by("pk").values_list("pk", flat=True)
    return [account_topic(pk) for pk in ids]


def readers(account: Account) -> set[UUID]:
    """Everyone who may see the account as given, with the memberships and shares of this moment."""
    active = User.objects.filter(is_active=True)
    members = Membership.objects.filter(family=account.family_id, is_active=True)
    if account.is_private:
        members = members.filter(user=account.owner_id)
    shares = AccountShare.objects.filter(account=account.pk)
    who = Q(pk__in=members.values("user")) | Q(pk__in=shares.values("user"))
    return set(active.filter(who).values_list("pk", flat=True))


def sees_as_member(user_id: UUID, account: Account) -> bool:
    """Whether the user would see the account if it were shared with nobody."""
    if account.is_private and user_id != account.owner_id:
        return False
    return Membership.objects.filter(family=account.family_id, user=user_id, is_active=True).exists()


def _seen_by(user: Any, inner: Any) -> Q:
    """The accounts of the user's families, as far as they are open or the user's own, and those shared with them.

    ``user`` is the key as an account's row is compared with it; ``inner`` the same, as its subqueries say it.
    """
    in_family = Q(_member(inner)) & (Q(is_private=False) | Q(owner=user))
    return in_family | Q(_shared(inner))


def _member(user: Any) -> Exists:
    memberships = Membership.objects.filter(user=user, is_active=True, user__is_active=True)
    return Exists(memberships.filter(family=OuterRef("family")))


def _shared(user: Any) -> Exists:
    shares = AccountShare.objects.filter(user=user, user__is_active=True)
    return Exists(shares.filter(account=OuterRef("pk")))


def _keys(accounts: QuerySet[Account]) -> set[str]:
    return {str(pk) for pk in accounts.values_list("pk", flat=True)}
