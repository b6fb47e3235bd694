"""``/notifications``: notices to a user, to a family, to everyone.

Separate because who may send one is a matter of whom it goes to.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import families_of, hold_standing, is_staff, may_manage
from accounts.models import Family, User
from ledger import access
from ledger.api.base import LedgerViewSet, StrictSerializer
from ledger.api.targets import found, hold_family, require
from ledger.filters import NotificationFilter
from ledger.idempotency import Answer, keyed, once
from ledger.models import Notification
from ledger.serializers import NotificationSerializer
from ledger.services import notices
from realtime.holding import keep

LONGEST_MESSAGE = 4000
MAY_NOT_SEND = _("Only owners and admins may send a notice to their family: give its family_id. The rest is for staff.")


class NotificationInput(StrictSerializer):
    """A notice: to ``user_id``, to ``family_id``, or, with neither, to everyone."""

    title = serializers.CharField(max_length=200)
    message = serializers.CharField(max_length=LONGEST_MESSAGE, allow_blank=True, required=False)
    level = serializers.ChoiceField(choices=Notification.Level.choices, required=False)
    user_id = serializers.UUIDField(required=False)
    family_id = serializers.UUIDField(required=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "user_id" in attrs and "family_id" in attrs:
            raise serializers.ValidationError({"family_id": [_("Give user_id or family_id, not both: send two.")]})
        return attrs

    def validate_expires_at(self, value: Any) -> Any:
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError(_("Give a time to come, or null."))
        return value


class NotificationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, LedgerViewSet):
    """The notices to the user, to their families and to everyone that have not expired."""

    serializer_class = NotificationSerializer
    filterset_class = NotificationFilter
    ordering_fields = ("-created_at",)
    queryset = Notification.objects.none()

    def get_queryset(self) -> QuerySet[Notification]:
        current = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        return access.visible_notifications(self.user).filter(current)

    @keyed
    @extend_schema(request=NotificationInput, responses={201: NotificationSerializer})
    def create(self, request: Request) -> Response:
        """Send a notice: owners and admins to their family, staff to anyone."""
        given = self.given(NotificationInput)
        return once(request, lambda: self._create(given))

    def _create(self, given: dict[str, Any]) -> Answer:
        words = {name: given[name] for name in ("message", "level", "expires_at") if name in given}
        addressee = self._addressee(given)
        return Answer(self.answer(notices.send(given["title"], **words, **addressee, created_by=self.user)))

    def _addressee(self, given: dict[str, Any]) -> dict[str, Any]:
        if (family_id := given.get("family_id")) is not None:
            return {"family": self._family(family_id)}
        # Refused before anybody is looked up: the answer says nothing of who exists.
        require(self.user.is_staff, MAY_NOT_SEND)
        user_id = given.get("user_id")
        hold_standing({self.user.pk, user_id or self.user.pk})
        require(is_staff(self.user), MAY_NOT_SEND)
        return {} if user_id is None else {"user": found(User.objects.filter(is_active=True), user_id)}

    def _family(self, id: UUID) -> Family:
        if self.user.is_staff:
            keep(Family.objects.filter(pk=id))
        hold_family(self.user, id)
        hold_standing([self.user.pk])
        is_of_staff = self.user.is_staff and is_staff(self.user)
        family = found(Family.objects.all() if is_of_staff else families_of(self.user), id)
        require(is_of_staff or may_manage(self.user, family.pk), MAY_NOT_SEND)
        return family
