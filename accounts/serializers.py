"""People, families and sign-in as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.db import IntegrityError, transaction
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.authentication import TokenAuthentication, issue
from accounts.models import Family, Membership, Role, User


class MeSerializer(serializers.ModelSerializer[User]):
    """The user who asks."""

    class Meta:
        model = User
        fields = ["id", "username", "first_name", "last_name", "email", "is_staff"]
        read_only_fields = fields


class FamilySerializer(serializers.ModelSerializer[Family]):
    """A family, with the role in it of the user who asks."""

    role = serializers.ChoiceField(choices=Role.choices, read_only=True)

    class Meta:
        model = Family
        fields = ["id", "name", "role", "created_at", "version"]
        read_only_fields = ["id", "role", "created_at", "version"]


class MemberSerializer(serializers.ModelSerializer[Membership]):
    """One member of a family."""

    username = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = Membership
        fields = ["user_id", "username", "role", "is_active", "joined_at", "version"]
        read_only_fields = ["user_id", "username", "joined_at", "version"]
        # A default would turn a PATCH of something else into a change of role.
        extra_kwargs = {"role": {"required": False}, "is_active": {"required": False}}


class NewMemberSerializer(serializers.Serializer[Any]):
    """Who joins a family, and as what."""

    username = serializers.CharField(max_length=150)
    role = serializers.ChoiceField(choices=Role.choices, default=Role.MEMBER)


class SignInSerializer(TokenObtainPairSerializer):
    """Name and password for a pair of tokens."""

    @classmethod
    def get_token(cls, user: User) -> RefreshToken:  # type: ignore[override]
        with _refusing_the_deleted():
            return issue(user)


class RefreshTokenSerializer(serializers.Serializer[Any]):
    """A refresh token, checked by the rule that access tokens are checked by."""

    refresh = serializers.CharField(write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        token = RefreshToken(attrs["refresh"])
        return {"token": token, "user": TokenAuthentication().get_user(token)}


class RefreshSerializer(RefreshTokenSerializer):
    """A refresh token for a new pair of tokens; it is spent by that."""

    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        checked = super().validate(attrs)
        with _refusing_the_deleted(), transaction.atomic():
            spend(checked["token"])
            fresh = issue(checked["user"])
        return {"access": str(fresh.access_token), "refresh": str(fresh)}


@contextmanager
def _refusing_the_deleted() -> Iterator[None]:
    """Refuse who was deleted after they were looked for: only as it commits the database says that they are gone."""
    try:
        yield
    except IntegrityError as error:
        raise AuthenticationFailed from error


def spend(token: RefreshToken) -> None:
    """Put a refresh token on the blacklist; raise TokenError for the second of two that do so at once."""
    # What it returns is get_or_create()'s pair, whatever its annotation says.
    _, first = cast("tuple[BlacklistedToken, bool]", token.blacklist())
    if not first:
        raise TokenError("Token is blacklisted")
