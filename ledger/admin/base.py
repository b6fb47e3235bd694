"""What the ledger's pages in the admin share: a list writes what was changed in it, and the ledger may refuse."""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.whole_admin import WholeAdmin
from ledger.errors import LedgerError
from realtime.versioned_admin import VersionCheck

M = TypeVar("M", bound=Model)

FOLLOWED = "admin/ledger/followed.html"
"""The form of a row whose events staff can follow from there."""

CHANGED_BY_OTHERS = _("Somebody else has changed this since the page was opened: reload it to see what it is now.")


class ListForm(VersionCheck):
    """One row of a list that is edited in place: what was changed there is written, and nothing else.

    Django compares with the row as it is by then. What others changed since the page was opened would be changed back.
    What both changed is refused: neither knew what the other had made of it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True  # what was shown comes back beside what was entered

    def clean(self) -> dict[str, Any]:
        """What was left alone counts as it is now, and is checked so."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        shown = {name for name, field in self.fields.items() if field.show_hidden_initial}
        for name in shown.intersection(self.changed_data):
            if self._is_shown_no_longer(name):
                self.add_error(name, CHANGED_BY_OTHERS)
        kept = (given.keys() & shown).difference(self.changed_data)
        return given | {name: getattr(self.instance, name) for name in kept}

    def _is_shown_no_longer(self, name: str) -> bool:
        """Whether the field has another value by now than the page showed, and another than was entered."""
        bound = self[name]
        field, entered = bound.field, self.cleaned_data.get(name)
        shown = field.hidden_widget().value_from_datadict(self.data, self.files, bound.html_initial_name)
        return field.has_changed(bound.initial, shown) and field.has_changed(bound.initial, entered)


class LedgerAdmin(WholeAdmin, admin.ModelAdmin[M]):
    """Says on the page what the ledger refused as well."""

    refusals = (*WholeAdmin.refusals, LedgerError)

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, **{"form": ListForm, **kwargs})

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        if isinstance(form, ListForm):
            obj.save(update_fields=form.changed_data)
        else:
            super().save_model(request, obj, form, change)


class ReadOnlyAdmin(LedgerAdmin[M]):
    """To be looked at: something else writes these rows."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class CascadingAdmin(LedgerAdmin[M]):
    """Rows that take read-only ones along when they go: those need no permission of their own."""

    goes_along: tuple[type[Model], ...] = ()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        objects, counts, missing, protected = super().get_deleted_objects(objs, request)
        names = {str(model._meta.verbose_name) for model in self.goes_along}
        return objects, counts, {each for each in missing if str(each) not in names}, protected
