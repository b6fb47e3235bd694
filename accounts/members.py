"""Making families and changing who belongs to them.

Separate from the views because the rules (who may, never without an owner) must hold under one lock: two
owners who demote each other at the same moment would otherwise both succeed. Each is one transaction, or a part of the
caller's, who repeats what the database takes back (``writes``).
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound, PermissionDenied, ValidationError

from accounts import access
from accounts.models import Family, Membership, Role, User

# Every family is a subscription of each connection; without a bound others could fill up somebody's.
MAX_FAMILIES = 50
MAX_MEMBERS = 200


class Conflict(APIException):
    """The change would break a rule of families; nothing was written."""

    status_code = status.HTTP_409_CONFLICT


def last_owner() -> Conflict:
    """The refusal to take away the only owner who can sign in."""
    return Conflict(_("A family keeps an active owner. Make somebody else owner first."), "last_owner")


def owners_of(family_id: UUID) -> QuerySet[Membership]:
    """The family's owners who can sign in."""
    return Membership.objects.filter(family=family_id, role=Role.OWNER, is_active=True, user__is_active=True)


def create_family(name: str, owner: User) -> Family:
    """Make a family with its first owner."""
    with transaction.atomic(savepoint=False):
        if _held(User.objects.filter(pk=owner.pk, is_active=True)) is None:
            raise NotFound
        _room_for_family(owner)
        family = Family.objects.create(name=name)
        Membership.objects.create(family=family, user=owner, role=Role.OWNER)
    return family


def rename(family_id: UUID, name: str, *, by: User) -> Family:
    """Give the family another name. For owners and admins."""
    with transaction.atomic(savepoint=False):
        family = _locked(family_id, by)
        _authorize(family, by)
        family.name = name
        family.save(update_fields=["name"])
    return family


def add(family_id: UUID, username: str, role: str, *, by: User) -> Membership:
    """Make a user a member, or an inactive one active again. For owners and admins; owners only by owners."""
    with transaction.atomic(savepoint=False):
        found = User.objects.filter(username=username, is_active=True)
        family = _locked(family_id, by, *found.values_list("pk", flat=True))
        _authorize(family, by, role)
        user = _held_newcomer(family, found)
        if user is None:
            raise ValidationError({"username": [_("There is no active user of that name.")]})
        membership = Membership.objects.filter(family=family, user=user).first()
        if membership is not None and membership.is_active:
            raise Conflict(_("This user is a member already."), "already_member")
        _room_for_family(user)
        return _join(family, user, role, membership)


def change(
    family_id: UUID, user_id: UUID, *, by: User, role: str | None = None, is_active: bool | None = None
) -> Membership:
    """Give a member another role, or make the membership inactive or active. For owners and admins."""
    with transaction.atomic(savepoint=False):
        family = _locked(family_id, by, user_id)
        membership = _member(family, user_id)
        role = membership.role if role is None else role
        is_active = membership.is_active if is_active is None else is_active
        _authorize(family, by, membership.role, role)
        if not is_active or role != Role.OWNER:
            _keep_an_owner(membership)
        if is_active and not membership.is_active:
            _held_newcomer(family, User.objects.filter(pk=user_id))
            _room_for_family(membership.user)
            return _join(family, membership.user, role, membership)
        membership.role, membership.is_active = role, is_active
        membership.save(update_fields=["role", "is_active"])
    return membership


def remove(family_id: UUID, user_id: UUID, *, by: User) -> None:
    """End a membership. For owners and admins, and for the member, who may leave."""
    with transaction.atomic(savepoint=False):
        family = _locked(family_id, by, user_id)
        membership = _member(family, user_id)
        leaves = membership.user_id == by.pk and access.role_in(by, family.pk) is not None
        if not leaves:
            _authorize(family, by, membership.role)
        _keep_an_owner(membership)
        membership.delete()


def _locked(family_id: UUID, by: User, *user_ids: UUID) -> Family:
    """The family, locked, if ``by`` is in it: changes of one family's members come one after another.

    Not so hard that new rows of the family had to wait: their writers may hold what a leaving has to wait for. Their
    roles are held along, and those of ``user_ids``: not every way of changing one comes for the family first.
    """
    family = access.families_of(by).select_for_update(no_key=True).filter(pk=family_id).first()
    if family is None:
        raise NotFound
    access.hold_roles(Family.objects.filter(pk=family_id), {by.pk, *user_ids})
    return family


def _held_newcomer(family: Family, found: QuerySet[User]) -> User | None:
    """The user who is to come to the family, held: who deletes them comes before this or after it."""
    user = found.first()
    if user is None:
        return None
    # In the order of who deletes them: the membership, which is held, what it shows, and only then the user.
    access.topics_through(user, family.pk)
    return _held(found.filter(pk=user.pk))


def _held(users: QuerySet[User]) -> User | None:
    """The user, for nobody else: of two families that they come to at once, the later one counts the earlier."""
    return users.select_for_update(no_key=True).first()


def _authorize(family: Family, by: User, *roles: str) -> None:
    """Refuse who may not manage the family, and who is no owner but touches one of ``roles`` that is."""
    own = access.role_in(by, family.pk)
    if own is None:
        raise NotFound  # as if there were no such family
    if own not in access.MANAGERS:
        raise PermissionDenied(_("Only owners and admins of the family may do this."))
    if Role.OWNER in roles and own != Role.OWNER:
        raise PermissionDenied(_("Only owners may make or change an owner."))


def _member(family: Family, user_id: UUID) -> Membership:
    membership = Membership.objects.select_related("user").filter(family=family, user=user_id).first()
    if membership is None:
        raise NotFound
    return membership


def _keep_an_owner(membership: Membership) -> None:
    """Refuse to go on when ``membership`` is the family's last owner who can sign in."""
    if not (membership.role == Role.OWNER and membership.is_active):
        return
    if not owners_of(membership.family_id).exclude(pk=membership.pk).exists():
        raise last_owner()


def _join(family: Family, user: User, role: str, membership: Membership | None) -> Membership:
    if membership is None:
        if family.memberships.count() >= MAX_MEMBERS:
            raise Conflict(_("This family has as many members as a family can have."), "too_many_members")
        return Membership.objects.create(family=family, user=user, role=role)
    membership.role, membership.is_active, membership.joined_at = role, True, timezone.now()
    membership.save(update_fields=["role", "is_active", "joined_at"])
    return membership


def _room_for_family(user: User) -> None:
    """Refuse a user, who is held, whose families are as many as can be. Who cannot sign in may again, some day."""
    if Membership.objects.filter(user=user.pk, is_active=True).count() >= MAX_FAMILIES:
        raise Conflict(_("This user is in as many families as one can be."), "too_many_families")
