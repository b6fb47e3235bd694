"""Pages of the admin whose form is refused when somebody else has changed the row since it was opened.

Django writes every field of a form, the ones its user never touched as they were shown: what others changed meanwhile
would be changed back, without a word. Separate because apps of the host project put it ahead of admins of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from realtime.publishing import Refused

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _ModelForm = forms.ModelForm[Any]
else:  # beside a ModelAdmin, whatever that derives from
    _ModelAdmin = object
    _ModelForm = forms.ModelForm

SHOWN = "shown_version"
STALE = _(
    "Somebody else has changed this since the page was opened, so nothing was saved. Open it anew to see what it is, "
    "and make your change there."
)


class Moved(Refused):
    """A row was changed between the look at its version and the write: undo the write, and look again."""


class VersionCheck(_ModelForm):
    """Mixin for the form of a ``PublishingModel``: looks at ``version`` before and, by ``check_written``, after."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._found: int = self.instance.version

    def check_written(self) -> None:
        """Raise Moved if the row, as it was once the write held it, was not the one that the form was checked by."""
        if self.instance.version > self._found + 1:
            raise Moved(STALE)


class VersionedForm(VersionCheck):
    """Carries the version that was shown, and is refused when the row has another by now."""

    shown_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial[SHOWN] = None if self.instance._state.adding else self._found

    def clean(self) -> dict[str, Any]:
        """What else is wrong is said as well."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.instance._state.adding and given.get(SHOWN) != self._found:
            raise ValidationError(STALE, code="stale")
        return given


class VersionedAdmin(_ModelAdmin):
    """Stands ahead of a ModelAdmin, for a ``PublishingModel``. Inlines have ``form = VersionedForm`` of their own."""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form, with the version if there is something to change."""
        if self._is_changed_here(request, obj):
            form = kwargs.get("form", self.form)
            kwargs["form"] = type(f"Versioned{form.__name__}", (VersionedForm, form), {})
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The fieldsets, the last of which holds the hidden version."""
        *others, (name, options) = super().get_fieldsets(request, obj)
        fields = [each for each in options["fields"] if each != SHOWN]
        if self._is_changed_here(request, obj):
            fields.append(SHOWN)
        return [*others, (name, {**options, "fields": fields})]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The page; a write that was overtaken is undone, and its form is then told to be too old."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except Moved:
            return super().changeform_view(request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The list; a write that was overtaken is undone, and checked by what is there now."""
        try:
            return super().changelist_view(request, *args, **kwargs)
        except Moved:
            return super().changelist_view(request, *args, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """What follows the row itself, unless the row or one of an inline was changed since its form looked."""
        _check_written(form)
        super().save_related(request, form, formsets, change)
        for formset in formsets:
            for each in formset.initial_forms:
                _check_written(each)

    def _is_changed_here(self, request: HttpRequest, obj: Any) -> bool:
        return obj is not None and self.has_change_permission(request, obj)


def _check_written(form: Any) -> None:
    if isinstance(form, VersionCheck):
        form.check_written()
