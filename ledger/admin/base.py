"""What the ledger's pages in the admin share: a refusal is said on the page, and undone as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from ledger.errors import LedgerError, Refused

M = TypeVar("M", bound=Model)

FOLLOWED = "admin/ledger/followed.html"
"""The form of a row whose events staff can follow from there."""


class LedgerAdmin(admin.ModelAdmin[M]):
    """Says on the page what the ledger refused; nothing of the request has happened then."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._saying_why(request, lambda: super(LedgerAdmin, self).changeform_view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._saying_why(request, lambda: super(LedgerAdmin, self).changelist_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._saying_why(request, lambda: super(LedgerAdmin, self).delete_view(request, *args, **kwargs))

    def _saying_why(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        if request.method != "POST":
            return view()
        try:
            with transaction.atomic():
                return view()
        except (LedgerError, Refused) as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


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
