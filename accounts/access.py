"""Who may read and do what in a family: the only home of such rights.

Everything is asked of the database: a connection holds its user object for hours, and what that says about
``is_active`` may be as old. A deactivated user and an inactive membership give no right at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import F, OuterRef, QuerySet

from accounts import events
from accounts.models import Family, Membership, Role, User
from accounts.topics import family_topic, user_topic
from realtime.holding import hold_behind, keep_unchanged
from realtime.topics import Kind, Topic, topic

Someone: TypeAlias = User | AnonymousUser
Things: TypeAlias = Callable[[User, UUID], Iterable[Topic]]
Keys: TypeAlias = Callable[[QuerySet[User], str], Iterable[Any]]
LetGo: TypeAlias = Callable[[QuerySet[User], str], object]

WRITERS = frozenset({Role.OWNER, Role.ADMIN, Role.MEMBER})
MANAGERS = frozenset({Role.OWNER, Role.ADMIN})


def families_of(user: Someone) -> QuerySet[Family]:
    """The families the user is an active member of."""
    return Family.objects.filter(pk__in=_memberships_of(user).values("family"))


def role_in(user: Someone, family_id: UUID) -> str | None:
    """The user's role in the family, None when they have no active one. One query."""
    return _memberships_of(user).filter(family=family_id).values_list("role", flat=True).first()


def may_write(user: Someone, family_id: UUID) -> bool:
    """Whether the user may change the family's ledger."""
    return role_in(user, family_id) in WRITERS


def may_manage(user: Someone, family_id: UUID) -> bool:
    """Whether the user may rename the family and manage its members."""
    return role_in(user, family_id) in MANAGERS


def hold_roles(families: QuerySet[Family], users: Collection[UUID] | None = None) -> None:
    """Let no role in the families change until the transaction ends: those of ``users``, or everybody's.

    To be taken before accounts, as who changes a membership does. Ask for the roles then: they may just have changed.
    """
    rows = Membership.objects.filter(family__in=families.values("pk"))
    rows = rows if users is None else rows.filter(user__in=users)
    list(rows.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))


def hold_standing(ids: Collection[UUID]) -> None:
    """Let none of the users be deleted, deactivated, or become staff or be it no longer, until the transaction ends.

    To be taken after memberships and accounts, as who deletes a user does. Ask what they are then: it may just have
    changed.
    """
    keep_unchanged(User.objects.filter(pk__in=ids))


def is_staff(user: Someone) -> bool:
    """Whether the user is active and staff now. One query."""
    return _active(user).filter(is_staff=True).exists()


class FamilyKind(Kind):
    """What changes for a family, for its active members."""

    name = "family"
    has_presence = True

    def presence(self, key: str, user_id: str, online: bool) -> tuple[str, Mapping[str, Any]]:
        return events.presence_update(key, user_id, online)

    def readable(self, user: Someone, keys: Collection[str]) -> set[str]:
        return _keys(_memberships_of(user).filter(family__in=[UUID(key) for key in keys]))

    def automatic(self, user: Someone) -> set[str]:
        return _keys(_memberships_of(user))

    def audience(self, key: str) -> QuerySet[User]:
        members = Membership.objects.filter(family=UUID(key), is_active=True)
        return User.objects.filter(is_active=True, pk__in=members.values("user"))

    def rows(self, keys: Collection[str] | None = None) -> list[QuerySet[Any]]:
        rows = Membership.objects.filter(user=OuterRef("pk"), is_active=True)
        return [
            (rows if keys is None else rows.filter(family__in=[UUID(key) for key in keys])).values(
                topic_key=F("family")
            )
        ]


class UserKind(Kind):
    """What is one user's own, for that user."""

    name = "user"

    def readable(self, user: Someone, keys: Collection[str]) -> set[str]:
        return self.automatic(user) if str(user.pk) in keys else set()

    def automatic(self, user: Someone) -> set[str]:
        return {str(key) for key in _active(user).values_list("pk", flat=True)}

    def audience(self, key: str) -> QuerySet[User]:
        return User.objects.filter(pk=UUID(key), is_active=True)

    def rows(self, keys: Collection[str] | None = None) -> list[QuerySet[Any]]:
        rows = User.objects.filter(pk=OuterRef("pk"))
        return [(rows if keys is None else rows.filter(pk__in=keys)).values(topic_key=F("pk"))]


_things: list[Things] = []
_ahead: list[tuple[Keys, Keys, LetGo]] = []


def register_things(things: Things, hold: Keys, look: Keys, let_go: LetGo) -> None:
    """Let an app say which topics of its own come and go with a membership.

    ``things(user, family_id)`` names what the user reads *as a member* of the family, whether or not they are
    one at this moment: it is asked in the transaction of the change, after the membership was written.
    ``hold(users, using)`` locks the rows behind all topics of the users, in the order that the app itself keeps to,
    and returns their keys: it is asked before the users are deleted, activated or deactivated, which comes to them in
    an order of its own. ``look(users, using)`` returns the same keys and locks nothing.
    ``let_go(users, using)`` then takes them out of rows that stay. Call this from ``ready()``.
    """
    if things not in _things:
        _things.append(things)
        _ahead.append((hold, look, let_go))


def hold_users(keys: Collection[UUID], using: str, *, to_delete: bool = False) -> None:
    """Lock users behind what tells what they see, in the order of those who change a part of it.

    Memberships, then the rest, and the users last: who refers to one has everything else in hand by then.
    """
    users = User.objects.using(using).filter(pk__in=keys)
    memberships = Membership.objects.using(using).filter(user__in=keys).order_by("pk").values_list("pk", flat=True)
    locked = memberships.select_for_update(of=("self",), no_key=True)
    hold_behind(
        users,
        lambda: [*locked.all(), *(key for hold, _, _ in _ahead for key in hold(users, using))],
        lambda: [*memberships.all(), *(key for _, look, _ in _ahead for key in look(users, using))],
        to_delete=to_delete,
    )


def make_way(keys: Collection[UUID], using: str) -> None:
    """Before users are deleted, lock them and what tells what they see, then have what stays refer to them no more.

    All of it before anybody looks at what goes with them: what came to refer to them until then does, and nothing comes
    any more.
    """
    hold_users(keys, using, to_delete=True)
    for _, _, let_go in _ahead:
        let_go(User.objects.filter(pk__in=keys), using)


def topics_through(user: User, family_id: UUID) -> list[Topic]:
    """Every topic the user reads as a member of the family: its own, and those of the things registered."""
    return [family_topic(family_id), *(each for things in _things for each in things(user, family_id))]


def topics_held(user: User) -> list[Topic]:
    """Every topic that stands and falls with the user's being active."""
    memberships = Membership.objects.filter(user=user, is_active=True).order_by("pk")
    families = memberships.values_list("family", flat=True)
    through = (each for family_id in families for each in topics_through(user, family_id))
    return [user_topic(user.pk), *through, *([topic("staff")] if user.is_staff else [])]


def _memberships_of(user: Someone) -> QuerySet[Membership]:
    if isinstance(user, AnonymousUser):
        return Membership.objects.none()
    return Membership.objects.filter(user=user.pk, is_active=True, user__is_active=True)


def _active(user: Someone) -> QuerySet[User]:
    if isinstance(user, AnonymousUser):
        return User.objects.none()
    return User.objects.filter(pk=user.pk, is_active=True)


def _keys(memberships: QuerySet[Membership]) -> set[str]:
    return {str(family_id) for family_id in memberships.values_list("family", flat=True)}
