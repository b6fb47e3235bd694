"""Too many wrong passwords: whoever guesses at one user's from one address waits, at whatever door.

django-axes counts failures, in the database and so for all processes; this says what the page, the admin and REST
answer. Locked is the pair of user and address: nobody can lock others out by guessing at their names from elsewhere.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from typing import Any

from axes.helpers import get_cool_off
from axes.utils import reset
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from accounts.models import User
from realtime.seats import network_of

LONGEST_NAME = 255


def address_of(request: HttpRequest) -> str | None:
    """What failures are counted by: the client's address; of an IPv6 address its network, as with connections."""
    address = network_of(request.META.get("REMOTE_ADDR", "")).partition("/")[0]
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None


def name_of(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str | None:
    """What failures are counted by beside it: of a name longer than any user's, as much as their table holds."""
    name = (request.POST if credentials is None else credentials).get(User.USERNAME_FIELD)
    return None if name is None else str(name)[:LONGEST_NAME]


def locked_page(request: HttpRequest, original: HttpResponse | None, credentials: Any) -> HttpResponse:
    """Answer a sign-in by the page or the admin that has to wait."""
    minutes = math.ceil(pause() / 60)
    page = render(request, "registration/locked.html", {"minutes": minutes}, status=429)
    page["Retry-After"] = str(pause())
    return page


def refuse_locked(request: Request) -> None:
    """Raise what a sign-in over REST that has to wait is answered with, if this one has to."""
    if getattr(request, "axes_locked_out", False):
        raise Throttled(pause(), _("Too many wrong passwords for this user from your address: wait, then try again."))


def forgive(request: Request, username: str) -> None:
    """Forget the failures of who has signed in over REST. A session's are forgotten by the signal of its sign-in."""
    reset(ip=address_of(request._request), username=username)


def pause() -> int:
    """Seconds for which a pair of user and address is locked after its last failure."""
    cool_off = get_cool_off()
    return 0 if cool_off is None else int(cool_off.total_seconds())
