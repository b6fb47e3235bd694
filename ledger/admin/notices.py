"""Notices to people: written, looked at as they will be seen, then sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.models import Membership, User
from ledger.admin.base import FOLLOWED, LedgerAdmin
from ledger.admin.receipts import NoticeReceipts
from ledger.models import Notification

USER, FAMILY, EVERYONE = "user", "family", "everyone"


class NoticeForm(forms.ModelForm[Notification]):
    """A new notice. To whom is chosen outright: what was left empty by mistake must not go to everyone."""

    to = forms.ChoiceField(
        label=_("to"),
        choices=[(USER, _("one user")), (FAMILY, _("a family")), (EVERYONE, _("everyone"))],
        widget=forms.RadioSelect,
    )

    class Meta:
        model = Notification
        fields = ["level", "title", "message", "user", "family", "expires_at"]

    def clean(self) -> dict[str, Any]:
        """The notice goes to whom was chosen and to nobody else."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        to = given.get("to")
        for name, missing in ((USER, _("Choose the user.")), (FAMILY, _("Choose the family."))):
            if to == name and not given.get(name):
                self.add_error(name, missing)
            elif to and to != name and given.get(name):
                self.add_error(name, _("Leave this empty, or send to it."))
        return given


@admin.register(Notification)
class NotificationAdmin(NoticeReceipts, LedgerAdmin[Notification]):
    """Notices to a user, a family, or everyone."""

    list_display = ["title", "level", "user", "family", "created_at", "expires_at", "confirmations"]
    list_filter = ["level"]
    list_select_related = ["user", "family"]
    autocomplete_fields = ["user", "family"]
    exclude = ["created_by"]
    readonly_fields = ["confirmations"]
    add_form_template = "admin/ledger/notification/write.html"
    change_form_template = FOLLOWED

    def get_form(
        self, request: HttpRequest, obj: Notification | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs |= {"form": NoticeForm}
        return super().get_form(request, obj, change=change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Notification | None = None) -> list[str]:
        """Whom a notice is for is settled when it is sent: emptied by mistake, the field would send it to everyone."""
        return [*self.readonly_fields, *(["user", "family"] if obj else [])]

    def get_fields(self, request: HttpRequest, obj: Notification | None = None) -> list[Any]:
        written = ["level", "title", "message", "expires_at"]
        return ["to", "user", "family", *written] if obj is None else ["user", "family", *written, "confirmations"]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        """Writing, and looking at what was written before it is sent."""
        if request.method == "POST" and self.has_add_permission(request):
            if "_edit" in request.POST:
                return HttpResponseRedirect(f"{request.path}?{urlencode(_entered(request))}")
            form = self.get_form(request)(request.POST)
            if "_preview" in request.POST and form.is_valid():
                return self._preview(request, form.save(commit=False))
        return super().add_view(request, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Notification, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)

    def _preview(self, request: HttpRequest, notice: Notification) -> HttpResponse:
        count = len(recipients(notice))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Look at the notice"),
            "opts": self.opts,
            "notice": notice,
            "entered": _entered(request),
            "audience": ngettext("{count} person", "{count} people", count).format(count=count),
        }
        return TemplateResponse(request, "admin/ledger/notification/preview.html", context)


def recipients(notice: Notification) -> set[Any]:
    """The keys of those who would be given the notice now."""
    active = User.objects.filter(is_active=True)
    if notice.user_id is not None:
        active = active.filter(pk=notice.user_id)
    elif notice.family_id is not None:
        members = Membership.objects.filter(family=notice.family_id, is_active=True)
        active = active.filter(pk__in=members.values("user"))
    return set(active.values_list("pk", flat=True))


def _entered(request: HttpRequest) -> dict[str, str]:
    """What was written, without what was pressed."""
    kept = {name: value for name, value in request.POST.items() if not name.startswith("_")}
    return {name: str(value) for name, value in kept.items() if name != "csrfmiddlewaretoken"}
