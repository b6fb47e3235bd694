"""One-time tickets: a credential for the query string, where nothing longer-lived should stand.

Separate from tokens because a ticket is spent: what has been used is a row in the database, not in Redis, so
that a ticket is good once on every process, whatever else is down.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import datetime_from_epoch, datetime_to_epoch

from realtime.conf import conf
from realtime.log import database
from realtime.models import SpentTicket
from realtime.protocol.errors import ProtocolError

UNTIL = "until"
"""Claim: when the connection ends that the ticket opens, as the token that bought it does."""

SESSION = "session"
"""Claim: the hash that the session which bought the ticket was good for; a sign-out changes it."""


class Ticket(Token):
    """A token of its own type: no endpoint takes it for an access token, nor an access token for it."""

    token_type = "realtime_ticket"  # noqa: S105  (a kind, no secret)
    lifetime = timedelta(seconds=30)  # replaced by TICKET_LIFETIME when issued


def issue(user: AbstractBaseUser, *, expires_at: datetime | None, claims: Mapping[str, Any]) -> str:
    """A ticket for ``user``, good once and for ``TICKET_LIFETIME`` seconds.

    It carries what the token that bought it is judged by, ``claims``, and lends no longer life than that;
    without claims it is bought by the session.
    """
    ticket = Ticket.for_user(user)
    ticket.set_exp(lifetime=timedelta(seconds=conf.TICKET_LIFETIME))
    if expires_at is not None:
        ticket[UNTIL] = datetime_to_epoch(expires_at)
    for name, value in (claims or {SESSION: user.get_session_auth_hash()}).items():
        if name not in ticket:
            ticket[name] = value
    return str(ticket)


def spend(ticket: Token) -> datetime | None:
    """Use the ticket up; say when the connection it opens ends, None for never.

    Raises ProtocolError ``unauthenticated`` when somebody has used it before.
    """
    jti, expires_at = ticket[api_settings.JTI_CLAIM], datetime_from_epoch(ticket["exp"])
    try:
        with transaction.atomic(using=database()):
            SpentTicket(jti=jti, expires_at=expires_at).save(force_insert=True, using=database())
    except IntegrityError as error:
        raise ProtocolError("unauthenticated", "This ticket has been used: get a new one.") from error
    until = ticket.get(UNTIL)
    return None if until is None else datetime_from_epoch(until)


def prune() -> int:
    """Delete the record of tickets that have expired, with leeway for clocks that differ; say how many."""
    long_expired = timezone.now() - timedelta(minutes=5)
    count, _ = SpentTicket.objects.using(database()).filter(expires_at__lt=long_expired).delete()
    return count
