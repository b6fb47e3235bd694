"""People, families, and who belongs to which.

All three are publishing models: a right that is taken away by ``queryset.update()`` or in the admin must
reach open connections as surely as one taken away over REST.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models, router, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from realtime.models import PublishingModel, PublishingQuerySet

NAMES = ("username", "first_name", "last_name")
TOLD_OF = frozenset(("is_active", *NAMES))
"""What of a user concerns those who are in a family with them."""


class UserQuerySet(PublishingQuerySet["User"]):
    """Users; who deletes them takes what goes with them first."""

    def update(self, **values: Any) -> int:
        """Update the users and tell each; whom that activates or deactivates gains or loses all that they see.

        Of another name their families are told, with the memberships held: what is told of these last is true.
        """
        from accounts import access

        using = self._writing_to()
        with transaction.atomic(using=using, savepoint=False):
            if not TOLD_OF.isdisjoint(values) and self._is_plain():
                access.hold_users(list(self.using(using).values_list("pk", flat=True)), using)
            return super().update(**values)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the users and what hangs on them, and tell each row."""
        from accounts import access

        using = self._writing_to()
        with transaction.atomic(using=using, savepoint=False):
            if self._is_plain():
                access.make_way(list(self.using(using).values_list("pk", flat=True)), using)
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


if TYPE_CHECKING:
    _UserManager = DjangoUserManager["User"]
else:
    _UserManager = DjangoUserManager.from_queryset(UserQuerySet)


class UserManager(_UserManager):
    """Django's own, with ``create_user``; its bulk writes are told row by row."""

    use_in_migrations = False


class User(PublishingModel, AbstractUser):
    """Someone who can sign in. The key is a UUID, as it stands in topics."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sign_outs = models.PositiveIntegerField(
        _("sign-outs"),
        default=0,
        editable=False,
        help_text=_("How often this user signed out. Tokens and sessions hold the number they were made at."),
    )

    objects: ClassVar[DjangoUserManager[User]] = UserManager()  # type: ignore[assignment]

    class Meta(AbstractUser.Meta, PublishingModel.Meta):
        abstract = False

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save all but ``sign_outs``, which only ``sessions.sign_out()`` raises, in the database itself.

        An instance loaded before a sign-out and saved after it would otherwise bring dead tokens to life.
        """
        from accounts import access

        inserts = self._state.adding or kwargs.get("force_insert")
        if not inserts and kwargs.get("update_fields") is None:
            kwargs["update_fields"] = self._fields_to_save()
        using = kwargs.get("using") or router.db_for_write(User, instance=self)
        with transaction.atomic(using=using, savepoint=False):
            if not inserts and self._changes_what_is_told(kwargs["update_fields"], using):
                access.hold_users([self.pk], using)
            super().save(*args, **kwargs)

    save.alters_data = True  # type: ignore[attr-defined]

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the user and what hangs on them, and tell each row."""
        from accounts import access

        using = using or router.db_for_write(User, instance=self)
        with transaction.atomic(using=using, savepoint=False):
            access.make_way([self.pk], using)
            return super().delete(using=using, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]

    def _changes_what_is_told(self, fields: Collection[str], using: str) -> bool:
        """Whether saving the fields activates or deactivates the user, with all that they see, or renames them."""
        known = {name: getattr(self, name) for name in TOLD_OF.intersection(fields)}
        return bool(known) and User.objects.using(using).filter(pk=self.pk).exclude(**known).exists()

    def _fields_to_save(self) -> set[str]:
        kept_out = {"sign_outs", *self.get_deferred_fields()}
        return {
            field.name
            for field in self._meta.concrete_fields
            if not field.primary_key and field.attname not in kept_out
        }

    def get_session_auth_hash(self) -> str:
        """Django's own and the number of sign-outs: a sign-out anywhere ends the sessions everywhere."""
        return f"{super().get_session_auth_hash()}.{self.sign_outs}"

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """The same, made with each older SECRET_KEY that is still accepted."""
        for digest in super().get_session_auth_fallback_hash():
            yield f"{digest}.{self.sign_outs}"


class Family(PublishingModel):
    """People who keep a ledger together."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta(PublishingModel.Meta):
        verbose_name = _("family")
        verbose_name_plural = _("families")

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do. Owners alone make and unmake owners; ``access`` says the rest."""

    OWNER = "owner", _("owner")
    ADMIN = "admin", _("admin")
    MEMBER = "member", _("member")
    VIEWER = "viewer", _("viewer")


class Membership(PublishingModel):
    """One user's place in one family. An inactive one gives no rights."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    family = models.ForeignKey(Family, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("family"))
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("user"))
    role = models.CharField(_("role"), max_length=6, choices=Role.choices, default=Role.MEMBER)
    is_active = models.BooleanField(_("active"), default=True)
    joined_at = models.DateTimeField(_("joined"), default=timezone.now, editable=False)

    class Meta(PublishingModel.Meta):
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["family", "user"], name="one_membership_per_user_and_family"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.family}"
