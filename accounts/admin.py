"""Users and families for staff, on the stock admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.members import last_owner, owners_of
from accounts.models import Family, Membership, Role, User
from accounts.passwords import PasswordForm
from accounts.whole_admin import WholeAdmin
from realtime.versioned_admin import SHOWN, STALE, Moved, VersionedForm

# Their stock pages show whole refresh tokens, good for signing in as anybody.
for shown in (OutstandingToken, BlacklistedToken):
    if admin.site.is_registered(shown):
        admin.site.unregister(shown)


@admin.register(User)
class UserAdmin(WholeAdmin, DjangoUserAdmin[User]):
    """Django's own, for our user."""

    change_password_form = PasswordForm
    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_staff"]


class MembershipFormSet(BaseInlineFormSet[Membership, Family, Any]):
    """A family's members on its page; at least one active owner stays."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not self._goes(form)]
        if not any(row["role"] == Role.OWNER and row["is_active"] and row["user"].is_active for row in kept):
            raise ValidationError(last_owner().detail)

    def _goes(self, form: Any) -> bool:
        return bool(self.can_delete and self._should_delete_form(form))  # type: ignore[attr-defined]


class MembershipInline(admin.TabularInline[Membership, Family]):
    model = Membership
    form = VersionedForm
    formset = MembershipFormSet
    fields = ["user", "role", "is_active", "joined_at", SHOWN]
    readonly_fields = ["joined_at"]
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Family)
class FamilyAdmin(WholeAdmin, admin.ModelAdmin[Family]):
    """Families with their members."""

    list_display = ["name", "created_at"]
    search_fields = ["name"]
    inlines = [MembershipInline]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the members, unless what was changed of them leaves no owner.

        The forms looked before the family was held, which it is since it was saved. Over REST it is held first.
        """
        super().save_related(request, form, formsets, change)
        if any(formset.has_changed() for formset in formsets) and not owners_of(form.instance.pk).exists():
            raise Moved(STALE)
