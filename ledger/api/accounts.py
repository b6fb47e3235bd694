"""``/accounts``: places where a family's money is, and whom they are shared with.

Separate because here the right to write in a family is not enough: an account has an owner.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import families_of, hold_roles
from accounts.models import User
from accounts.writes import atomically
from ledger import access, payloads
from ledger.api.base import LedgerViewSet, StrictSerializer
from ledger.api.targets import MAY_NOT_MANAGE, check_referred, hold_family, require, writable_family
from ledger.filters import AccountFilter
from ledger.idempotency import Answer, keyed, once
from ledger.models import Account, AccountShare
from ledger.money import DECIMALS
from ledger.serializers import AccountSerializer
from ledger.services.sharing import hold_accounts
from realtime.holding import keep

MOST_SHARES = 50


class AccountChange(StrictSerializer):
    """What of an account can be changed. Its currency cannot: amounts would mean something else."""

    name = serializers.CharField(max_length=100)
    type = serializers.ChoiceField(choices=Account.Type.choices, required=False)
    number = serializers.CharField(max_length=34, allow_blank=True, required=False)
    is_private = serializers.BooleanField(required=False)
    owner_id = serializers.UUIDField(required=False, help_text="An active member of the family.")
    shared_with = serializers.ListField(
        child=serializers.UUIDField(), max_length=MOST_SHARES, required=False, help_text="Ids of users, all of them."
    )


class AccountInput(AccountChange):
    """What an account is made of. Its owner is who makes it, unless said otherwise."""

    family_id = serializers.UUIDField()
    currency = serializers.CharField(max_length=3, help_text="ISO 4217, as in EUR.")

    def validate_currency(self, value: str) -> str:
        if value not in DECIMALS:
            raise ValidationError(_("Give the ISO 4217 code of a currency in use, such as EUR."))
        return value


class AccountViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, LedgerViewSet):
    """The accounts that the user sees: those of their families, and those shared with them."""

    serializer_class = AccountSerializer
    filterset_class = AccountFilter
    ordering_fields = ("name", "created_at")
    queryset = Account.objects.none()

    def get_queryset(self) -> QuerySet[Account]:
        rows = access.with_full_numbers(access.visible_accounts(self.user), self.user)
        return rows.select_related("balance_row").prefetch_related("shares")

    @keyed
    @extend_schema(request=AccountInput, responses={201: AccountSerializer})
    def create(self, request: Request) -> Response:
        """Open an account in a family."""
        given = self.given(AccountInput)
        return once(request, lambda: self._create(given))

    @extend_schema(request=AccountChange, responses=AccountSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename an account, hand it over, make it private, or say whom it is shared with."""
        given = self.given(AccountChange, partial=True)
        return Response(atomically(lambda: self._change(given)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete an account with its transactions. One with transfers is kept: the other side did have them."""
        atomically(lambda: self._held_row().delete())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _create(self, given: dict[str, Any]) -> Answer:
        # All of them: whoever opens an account comes for these, and with some of them in hand that is a deadlock.
        families = families_of(self.user).filter(pk=given["family_id"])
        keep(families)
        hold_roles(families)
        family = writable_family(self.user, given["family_id"])
        shares = given.get("shared_with", [])
        owner_id = given.get("owner_id", self.user.pk)
        self._check(family.pk, owner_id, shares)
        values = {name: value for name, value in given.items() if name != "shared_with"}
        made = Account(**{**values, "owner_id": owner_id})
        made.save()
        _share(made, shares)
        return Answer(self._answer(made.pk))

    def _change(self, given: dict[str, Any]) -> Any:
        row = self._held_row(given.get("owner_id"))
        values = {name: value for name, value in given.items() if name != "shared_with"}
        self._check(row.family_id, given.get("owner_id"), given.get("shared_with", []))
        for name, value in values.items():
            setattr(row, name, value)
        if values:
            row.save(update_fields=[name.removesuffix("_id") for name in values])
        if "shared_with" in given:
            _share(row, given["shared_with"])
        return self._answer(row.pk)

    def _answer(self, id: UUID) -> Any:
        # Not looked for among what the user sees: who hands over a private account no longer sees it.
        row = Account.objects.select_related("balance_row").prefetch_related("shares").get(pk=id)
        return payloads.account_data(row, full_number=access.may_see_full_number(self.user, row))

    def _held_row(self, *owner_ids: UUID | None) -> Account:
        """The account, read once it is held, and with it what its user and its owner to be may do in the family."""
        row = self._manageable_row()
        hold_family(self.user, row.family_id, *(id for id in owner_ids if id is not None))
        hold_accounts(self.user, [row.pk])
        return self._manageable_row()

    def _manageable_row(self) -> Account:
        row: Account = self.get_object()
        require(access.may_manage_account(self.user, row), MAY_NOT_MANAGE)
        return row

    def _check(self, family_id: UUID, owner_id: UUID | None, shares: Collection[UUID]) -> None:
        people = User.objects.filter(is_active=True)
        if owner_id is not None and owner_id != self.user.pk:
            members = people.filter(memberships__family=family_id, memberships__is_active=True)
            check_referred("owner_id", members, owner_id, _("an active member of the family"))
        if len(set(shares)) != len(keep(people.filter(pk__in=shares))):
            raise ValidationError({"shared_with": [_("Give ids of active users, each once.")]})


def _share(account: Account, user_ids: Collection[UUID]) -> None:
    """Make ``user_ids`` those whom the account is shared with; each share that comes or goes is told."""
    current = account.shares.all()
    current.exclude(user__in=user_ids).delete()
    kept = set(current.values_list("user_id", flat=True))
    AccountShare.objects.bulk_create(AccountShare(account=account, user_id=id) for id in sorted(set(user_ids) - kept))
