"""Sign-in, the user's own page and families over REST.

What a user may not see answers 404, exactly as what does not exist; what they see but may not change, 403.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.expressions import OuterRef, Subquery
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, mixins, status, viewsets
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework_simplejwt.views import TokenViewBase

from accounts import access, locks, members, sessions
from accounts.models import Family, Membership, User
from accounts.schema import AccountsSchema
from accounts.serializers import (
    FamilySerializer,
    MemberSerializer,
    MeSerializer,
    NewMemberSerializer,
    RefreshSerializer,
    RefreshTokenSerializer,
    SignInSerializer,
    spend,
)
from accounts.throttles import SignInThrottle
from accounts.writes import atomically
from realtime.snapshots import SnapshotCursorMixin


class ByAge(CursorPagination):
    """Oldest first. ``page`` rather than ``cursor``, which is a place in the log everywhere else."""

    cursor_query_param = "page"
    page_size_query_param = "limit"
    page_size = 50
    max_page_size = 200
    ordering = "id"

    def decode_cursor(self, request: Request) -> Any:
        """Read back where a page starts. Anybody can write one: what stands there for an id has to be one."""
        place = super().decode_cursor(request)
        try:
            if place is not None and place.position is not None:
                UUID(str(place.position))
        except ValueError:
            raise NotFound(self.invalid_cursor_message) from None
        return place


@method_decorator(sensitive_post_parameters(), name="dispatch")
class SignInView(TokenViewBase):
    """Sign in: an access token for requests and connections, a refresh token for the next pair."""

    schema = AccountsSchema()
    serializer_class = SignInSerializer
    throttle_classes = [SignInThrottle]

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Check name and password, unless this address has guessed too often."""
        try:
            response = super().post(request, *args, **kwargs)
        except AuthenticationFailed:
            locks.refuse_locked(request)
            raise
        locks.forgive(request, str(dict(request.data)[User.USERNAME_FIELD]))
        return response


@method_decorator(sensitive_post_parameters(), name="dispatch")
class RefreshView(TokenViewBase):
    """A fresh pair of tokens for a refresh token, which is spent by that: a second use is refused."""

    schema = AccountsSchema()
    serializer_class = RefreshSerializer


@extend_schema(request=RefreshTokenSerializer, responses={204: None})
@method_decorator(sensitive_post_parameters(), name="dispatch")
class SignOutView(TokenViewBase):
    """Sign out: every token and session of the user ends, on all devices; connections close with 4503."""

    schema = AccountsSchema()
    serializer_class = RefreshTokenSerializer

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        checked = super().post(request, *args, **kwargs).data
        with transaction.atomic():
            spend(checked["token"])
            sessions.sign_out(checked["user"].pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(SnapshotCursorMixin, generics.RetrieveAPIView[User]):
    """The user who asks."""

    schema = AccountsSchema()
    serializer_class = MeSerializer

    def get_object(self) -> User:
        return signed_in(self.request)


class FamilyViewSet(
    SnapshotCursorMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    mixins.UpdateModelMixin,
    viewsets.GenericViewSet[Family],
):
    """The families of the user who asks. Who makes one is its owner; owners and admins may rename it."""

    schema = AccountsSchema()
    serializer_class = FamilySerializer
    pagination_class = ByAge
    http_method_names = ["get", "post", "patch", "head", "options"]
    lookup_value_converter = "uuid"
    queryset = Family.objects.none()

    def get_queryset(self) -> QuerySet[Family]:
        user = signed_in(self.request)
        own = Membership.objects.filter(family=OuterRef("pk"), user=user)
        return access.families_of(user).annotate(role=Subquery(own.values("role")))

    def perform_create(self, serializer: BaseSerializer[Family]) -> None:
        name, user = serializer.validated_data["name"], signed_in(self.request)
        serializer.instance = atomically(lambda: self._as_seen(members.create_family(name, user)))

    def perform_update(self, serializer: BaseSerializer[Family]) -> None:
        family = serializer.instance
        assert family is not None
        name, user = serializer.validated_data.get("name", family.name), signed_in(self.request)
        serializer.instance = atomically(lambda: self._as_seen(members.rename(family.pk, name, by=user)))

    def _as_seen(self, family: Family) -> Family:
        return self.get_queryset().get(pk=family.pk)


_FAMILY = OpenApiParameter("family_id", UUID, OpenApiParameter.PATH)


@extend_schema(parameters=[_FAMILY, OpenApiParameter("user_id", UUID, OpenApiParameter.PATH)])
class MemberViewSet(SnapshotCursorMixin, mixins.ListModelMixin, viewsets.GenericViewSet[Membership]):
    """Who belongs to a family. Owners and admins manage members; a member may leave; one owner stays."""

    schema = AccountsSchema()
    serializer_class = MemberSerializer
    pagination_class = ByAge
    lookup_field = "user_id"
    lookup_value_converter = "uuid"
    queryset = Membership.objects.none()

    def get_queryset(self) -> QuerySet[Membership]:
        """Inactive members are shown to those who may make them active again."""
        role = access.role_in(signed_in(self.request), self.kwargs["family_id"])
        if role is None:
            raise NotFound
        rows = Membership.objects.filter(family=self.kwargs["family_id"]).select_related("user")
        return rows if role in access.MANAGERS else rows.filter(is_active=True, user__is_active=True)

    @extend_schema(parameters=[_FAMILY])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[_FAMILY], request=NewMemberSerializer, responses={201: MemberSerializer})
    def create(self, request: Request, family_id: UUID) -> Response:
        """Add a user by name, or make an inactive member active again."""
        given, user = self._given(NewMemberSerializer), signed_in(request)
        added = atomically(lambda: members.add(family_id, given["username"], given["role"], by=user))
        return Response(MemberSerializer(added).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, family_id: UUID, user_id: UUID) -> Response:
        """Change a member's role, or make the membership inactive or active."""
        given, user = self._given(MemberSerializer, partial=True), signed_in(request)
        changed = atomically(lambda: members.change(family_id, user_id, by=user, **given))
        return Response(MemberSerializer(changed).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, family_id: UUID, user_id: UUID) -> Response:
        """Remove a member, or leave."""
        user = signed_in(request)
        atomically(lambda: members.remove(family_id, user_id, by=user))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _given(self, serializer_class: type[BaseSerializer[Any]], *, partial: bool = False) -> dict[str, Any]:
        """The request's data, checked; as if there were no family for those who are not in it."""
        self.get_queryset()
        serializer = serializer_class(data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


def signed_in(request: Request) -> User:
    """The user of an authenticated request."""
    assert isinstance(request.user, User)
    return request.user
