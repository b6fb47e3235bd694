"""Every change that takes a right away: who makes it, by which way, and what is lost to whom.

Apart from the tests so that a new change has one place to be added, and is then held against every transport.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from rest_framework.test import APIClient

from accounts.authentication import issue
from accounts.models import Family, Membership, User
from accounts.sessions import sign_out
from accounts.topics import family_topic, user_topic
from ledger.models import Account, AccountShare, Transaction
from ledger.topics import account_topic
from tests.contract.world import money, open_account

_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one change needs: a family, its owner, a member who is to lose something, and accounts to lose."""

    owner: User
    victim: User
    family: Family
    common: Account  # the family's
    shared: Account  # the owner's own, which the victim may see
    private: Account  # the victim's own

    @property
    def user_topic(self) -> str:
        """What the victim keeps for as long as anything."""
        return str(user_topic(self.victim.pk))


@dataclass(frozen=True, kw_only=True)
class Change:
    """One way to lose something. ``lost`` are topics; with ``ends`` every connection of the victim is lost."""

    make: Callable[[Stage], object]
    lost: Callable[[Stage], list[str]] = field(default=lambda stage: [])
    ends: bool = False
    is_staff: bool = False


def set_up(change: Change) -> Stage:
    """Make people, family and accounts that no other change knows."""
    number = next(_numbers)
    owner = User.objects.create(username=f"owner-{number}")
    victim = User.objects.create(username=f"victim-{number}", is_staff=change.is_staff)
    family = Family.objects.create(name="Smith")
    for user, role in ((owner, "owner"), (victim, "member")):
        Membership.objects.create(family=family, user=user, role=role)
    stage = Stage(
        owner=owner,
        victim=victim,
        family=family,
        common=open_account(family, owner, "Everyday"),
        shared=open_account(family, owner, "Gifts", is_private=True),
        private=open_account(family, victim, "Own", is_private=True),
    )
    AccountShare.objects.create(account=stage.shared, user=victim)
    return stage


def write_afterwards(stage: Stage) -> None:
    """Write what the victim may have lost sight of."""
    for account in Account.objects.filter(family=stage.family):
        Transaction.objects.create(account=account, amount=money("-1"), description="afterwards")


def _everything(stage: Stage) -> list[str]:
    return [str(family_topic(stage.family.pk)), *(str(account_topic(each.pk)) for each in (stage.shared, stage.common))]


def _account(name: str) -> Callable[[Stage], list[str]]:
    return lambda stage: [str(account_topic(getattr(stage, name).pk))]


def _rest(user: User) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue(user).access_token}")
    return client


def _removed_by(name: str) -> Callable[[Stage], None]:
    def remove(stage: Stage) -> None:
        address = f"/api/v1/families/{stage.family.pk}/members/{stage.victim.pk}"
        assert _rest(getattr(stage, name)).delete(address).status_code == 204

    return remove


def _sign_out(stage: Stage) -> None:
    answer = APIClient().post("/api/v1/auth/logout", {"refresh": str(issue(stage.victim))}, format="json")
    assert answer.status_code == 204


def _change_password(stage: Stage) -> None:
    user = User.objects.get(pk=stage.victim.pk)
    user.set_password("another horse, another battery")
    user.save()


def _update(**changes: object) -> Callable[[Stage], object]:
    return lambda stage: User.objects.filter(pk=stage.victim.pk).update(**changes)


CHANGES: dict[str, Change] = {
    "leaves the family": Change(make=_removed_by("victim"), lost=_everything),
    "is removed from the family": Change(make=_removed_by("owner"), lost=_everything),
    "is made inactive in the family": Change(
        make=lambda stage: Membership.objects.filter(user=stage.victim).update(is_active=False), lost=_everything
    ),
    "has a share taken back": Change(
        make=lambda stage: AccountShare.objects.filter(user=stage.victim).delete(), lost=_account("shared")
    ),
    "sees an account made private": Change(
        make=lambda stage: Account.objects.filter(pk=stage.common.pk).update(is_private=True), lost=_account("common")
    ),
    "gives a private account away": Change(
        make=lambda stage: Account.objects.filter(pk=stage.private.pk).update(owner=stage.owner),
        lost=_account("private"),
    ),
    "sees an account deleted": Change(
        make=lambda stage: Account.objects.get(pk=stage.common.pk).delete(), lost=_account("common")
    ),
    "signs out": Change(make=_sign_out, ends=True),
    "signs out on a page": Change(make=lambda stage: sign_out(stage.victim.pk), ends=True),
    "is deactivated": Change(make=_update(is_active=False), ends=True),
    "is deleted": Change(
        make=lambda stage: (stage.private.delete(), User.objects.get(pk=stage.victim.pk).delete()), ends=True
    ),
    "changes the password": Change(make=_change_password, ends=True),
    "is staff no more": Change(make=_update(is_staff=False), lost=lambda stage: ["staff"], ends=True, is_staff=True),
}
