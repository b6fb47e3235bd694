"""The admin's two pages that set a password: they write that alone.

Django's forms save the user as they were when the request began. To hash a password takes long enough for somebody to
take the user's rights away meanwhile, and they would be given back. Separate from the admin, which one of the two is no
part of: Django's site names the form of one's own page itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.admin.forms import AdminPasswordChangeForm as OwnPasswordForm
from django.contrib.auth.forms import AdminPasswordChangeForm, SetPasswordMixin
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts.models import User

if TYPE_CHECKING:
    _Form = SetPasswordMixin[User]
    _PasswordForm = AdminPasswordChangeForm[User]
    _OwnPasswordForm = OwnPasswordForm
else:  # beside a form, whatever that derives from
    _Form, _PasswordForm, _OwnPasswordForm = object, AdminPasswordChangeForm, OwnPasswordForm


class _WritesPasswordAlone(_Form):
    def set_password_and_save(self, user: User, field: str = "password1", commit: bool = True) -> User:
        super().set_password_and_save(user, password_field_name=field, commit=False)
        if commit:
            user.save(update_fields=["password"])
        return user


class PasswordForm(_WritesPasswordAlone, _PasswordForm):
    """Sets, or takes away, the password of a user."""


class ChangeOwnForm(_WritesPasswordAlone, _OwnPasswordForm):
    """Changes the password of who asks, who has to know the old one."""


def change_own(request: HttpRequest) -> HttpResponseBase:
    """Answer ``admin/password_change/`` as the admin's site would, but for the form."""
    request.current_app = admin.site.name
    view = PasswordChangeView.as_view(
        form_class=ChangeOwnForm,
        success_url=reverse("admin:password_change_done", current_app=admin.site.name),
        extra_context=admin.site.each_context(request),
    )
    return view(request)
