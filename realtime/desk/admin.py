"""The staff's desk in the admin: operations, connections, the way of one event. A host project gets it with the app.

Each page has its own right, each action is a POST and stands in the admin's log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, path, reverse
from django.urls.resolvers import URLPattern
from django.utils.module_loading import import_string
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from msgspec import to_builtins

from realtime.conf import conf
from realtime.desk import trail, watch
from realtime.desk.alarms import GONE, KINDS, OVER
from realtime.desk.connections import Answer, Close, Place, Question, together
from realtime.desk.pages import desk_data, is_alone
from realtime.hubs import hub
from realtime.protocol.errors import ProtocolError

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:  # a host project need not have made Django's classes generic
    _ModelAdmin = admin.ModelAdmin

View = Callable[[HttpRequest], Awaitable[HttpResponse]]

SEE = "realtime.view_operations"
SEND_AWAY = "realtime.disconnect"
READ = "realtime.view_event"
CONFIRMED = "realtime.view_receipt"
LAST = 2**63 - 1  # the largest number that a process can say to another


class OperationsAdmin(_ModelAdmin):
    """Pages instead of rows: how all processes are doing, who is connected to them, what became of an event."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whoever may see the operations."""
        return request.user.has_perm(SEE)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see the operations."""
        return request.user.has_perm(SEE)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """There are no rows."""
        return False

    has_change_permission = has_delete_permission = has_add_permission

    def get_urls(self) -> list[URLPattern]:
        """The pages, the first of them under the name of a list."""

        def page(view: Callable[[HttpRequest], HttpResponse]) -> Any:
            return update_wrapper(partial(self.admin_site.admin_view(view)), view)

        return [
            path("", page(self.operations_page), name="realtime_operations_changelist"),
            path("connections/", page(self.connections_page), name="realtime_connections"),
            path("connections/data/", _asked(self.connections_data, SEE), name="realtime_connections_data"),
            path("connections/close/", _asked(self.close, SEE, SEND_AWAY), name="realtime_connections_close"),
            path("event/", page(self.trail_page), name="realtime_trail"),
        ]

    def operations_page(self, request: HttpRequest) -> HttpResponse:
        """Figures of all processes, as they are told."""
        return self._page(
            request,
            "operations",
            _("Operations"),
            SEE,
            conditions=[(condition, watch.message_of(condition)) for condition in watch.standing()[:50]],
            alert_words={"over": OVER, "gone": GONE, **{kind.name: kind.words for kind in KINDS}},
        )

    def connections_page(self, request: HttpRequest) -> HttpResponse:
        """Who is connected. The rows come by ``connections_data``."""
        addresses = {
            "data": reverse("admin:realtime_connections_data"),
            "close": reverse("admin:realtime_connections_close"),
        }
        return self._page(
            request,
            "connections",
            _("Connections"),
            SEE,
            desk=desk_data(request, addresses),
            may_send_away=request.user.has_perm(SEND_AWAY),
            may_sign_out=bool(conf.SIGN_OUT),
        )

    def trail_page(self, request: HttpRequest) -> HttpResponse:
        """One event, from its row to each receipt."""
        wanted = request.GET.get("q", "").strip()
        found = [(each, _links(each.rows)) for each in trail.find(wanted)] if wanted else []
        return self._page(
            request,
            "trail",
            _("Follow an event"),
            READ,
            q=wanted,
            found=found,
            span=conf.TRAIL_SPAN,
            most=trail.MOST_EVENTS,
            may_see_receipts=request.user.has_perm(CONFIRMED),
        )

    async def connections_data(self, request: HttpRequest) -> HttpResponse:
        """One page of the connections of all processes, with the names of their users."""
        try:
            question = await sync_to_async(_question)(request.GET)
        except ValidationError as error:
            return JsonResponse({"detail": error.messages[0]}, status=400)
        await hub().ready()
        page, following = together(await hub().desk.ask(question))
        names = await sync_to_async(_names)({seen.user for seen in page.seen})
        return JsonResponse(
            {
                "total": page.total,
                "next": f"{following[0]}.{following[1]}" if following else None,
                "connections": [to_builtins(seen) | {"name": names.get(seen.user, seen.user)} for seen in page.seen],
                "processes": len({process.name for process in hub().desk.figures().processes}),
            }
        )

    async def close(self, request: HttpRequest) -> HttpResponse:
        """Send away a connection or a user's, or sign the user out of everything."""
        if request.method != "POST":
            return JsonResponse({"detail": gettext("Send this by POST.")}, status=405)
        how, user_id = request.POST.get("how", ""), request.POST.get("user", "")
        if how == "sign_out":
            return await sync_to_async(self._sign_out)(request, user_id)
        order = Close(connection=request.POST.get("connection", "")) if how == "connection" else Close(user=user_id)
        if how not in ("connection", "user") or not (order.connection or order.user):
            return JsonResponse({"detail": gettext("Say which connection, or which user.")}, status=400)
        await hub().ready()
        answers = await hub().desk.ask(order)
        return await sync_to_async(self._closed)(request, answers)

    def _closed(self, request: HttpRequest, answers: Iterable[Answer]) -> HttpResponse:
        """Say how many were sent away, and note it in the admin's log, for each user."""
        answers = list(answers)
        gone = [seen for answer in answers for seen in answer.seen]
        total = sum(answer.total for answer in answers)
        for user_id in sorted({seen.user for seen in gone}):
            theirs = [seen for seen in gone if seen.user == user_id]
            places = ", ".join(f"{seen.transport} {seen.address}" for seen in theirs[:10])
            words = ngettext("Closed a connection: {places}", "Closed {count} connections: {places}", len(theirs))
            self._note(request, user_id, words.format(count=len(theirs), places=places))
        return JsonResponse({"closed": total})

    def _sign_out(self, request: HttpRequest, user_id: str) -> HttpResponse:
        if not conf.SIGN_OUT:
            return JsonResponse({"detail": gettext("REALTIME['SIGN_OUT'] names no way to do this.")}, status=400)
        user = _user(user_id)
        if user is None:
            return JsonResponse({"detail": gettext("There is no such user.")}, status=404)
        with transaction.atomic():
            import_string(conf.SIGN_OUT)(user.pk)
            self._note(request, user_id, gettext("Ended all sessions"))
        return JsonResponse({"closed": None})

    def _note(self, request: HttpRequest, user_id: str, words: str) -> None:
        user = _user(user_id)
        if user is not None:
            self.log_change(request, user, words)

    def _page(self, request: HttpRequest, name: str, title: Any, right: str, **context: Any) -> HttpResponse:
        if not request.user.has_perm(right):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "tab": name,
            "desk": desk_data(request, {}),
            "is_alone": is_alone(),
            "may_see": request.user.has_perm(SEE),
            "may_read": request.user.has_perm(READ),
            **context,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, f"admin/realtime/desk/{name}.html", context)


def _asked(view: View, *rights: str) -> Any:
    """Guard a view that waits for other processes, and so is none of those that ``admin_view`` can."""

    @transaction.non_atomic_requests
    @never_cache
    async def guarded(request: HttpRequest) -> HttpResponse:
        user = await request.auser()
        if not (user.is_active and getattr(user, "is_staff", False)):
            return JsonResponse({"detail": gettext("Sign in again.")}, status=401)
        if not await sync_to_async(user.has_perms)(rights):
            return JsonResponse({"detail": gettext("You may not do this.")}, status=403)
        try:
            return await view(request)
        except ProtocolError as refusal:
            words = gettext("This process has not heard of the log yet, or ends. Try again shortly.")
            return JsonResponse({"detail": words}, status=refusal.http_status)

    return guarded


def _question(asked: Mapping[str, str]) -> Question:
    """What the page asks for. Raises ValidationError for what makes no sense."""
    user = asked.get("user", "").strip()
    found = _user(user) if user else None
    if user and found is None:
        raise ValidationError(gettext("There is no user of that name or id."))
    return Question(
        user=str(found.pk) if found else "",
        transport=asked.get("transport", ""),
        topic=asked.get("topic", "").strip(),
        order="behind" if asked.get("order") == "behind" else "newest",
        after=_place(asked.get("after", "")),
    )


def _place(text: str) -> Place | None:
    first, dot, rest = text.partition(".")
    if not dot:
        return None
    try:
        number = int(first)
    except ValueError:
        number = LAST + 1
    if abs(number) > LAST:
        raise ValidationError(gettext("There is no such page."))
    return number, rest


def _user(text: str) -> Any:
    """The user of that name, or that id; None where there is none."""
    if "\0" in text:  # what no text of PostgreSQL's holds
        return None
    users = get_user_model()._default_manager
    try:
        found = users.filter(pk=text).first()
    except (ValueError, ValidationError):
        found = None
    return found or users.filter(**{get_user_model().USERNAME_FIELD: text}).first()


def _names(ids: Iterable[str]) -> dict[str, str]:
    users = get_user_model()._default_manager.filter(pk__in=list(ids))
    return {str(user.pk): user.get_username() for user in users}


def _links(rows: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Each row with the address of its page in the admin, empty where it has none."""
    return [(model, id, _address(model, id)) for model, id in rows]


def _address(model: str, id: str) -> str:
    try:
        return reverse(f"admin:{model.replace('.', '_')}_change", args=[id])
    except NoReverseMatch:
        return ""
