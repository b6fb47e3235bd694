"""One request's change as one transaction, tried again when the database took it back.

Separate because every endpoint that changes a family or its ledger goes through it, whichever app's it is, and because
a retry is right only for the whole of a transaction, never for a part.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import uniform
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException

Result = TypeVar("Result")

ATTEMPTS = 4
LONGEST_PAUSE_SECONDS = 0.05

# PostgreSQL: serialization failure, deadlock, a lock not to be had in time.
_TAKEN_BACK = frozenset({"40001", "40P01", "55P03"})


class Busy(APIException):
    """Others were changing the same rows all the while; nothing was written."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = _("Others were changing the same rows all the while. Nothing was written: try again.")
    default_code = "busy"
    wait = 1  # seconds, as Retry-After


def atomically(work: Callable[[], Result]) -> Result:
    """Run ``work`` in one transaction and return what it returns; after a deadlock run it again, whole.

    Raises ``Busy`` when the last attempt was taken back too. Inside a transaction that somebody else opened there is
    only one attempt: the rest of that transaction is not ours to repeat.
    """

    def whole() -> Result:
        with transaction.atomic():
            return work()

    return whole() if connection.in_atomic_block else persistently(whole)


def persistently(work: Callable[[], Result]) -> Result:
    """Run ``work``, which opens its own transactions and may be run again, until the database lets it through.

    Raises ``Busy`` after ``ATTEMPTS``.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except OperationalError as error:
            if not was_taken_back(error):
                raise
            if attempt == ATTEMPTS:
                raise Busy from error
            # Two that met once would meet again after equal pauses.
            time.sleep(uniform(0, LONGEST_PAUSE_SECONDS) * attempt)  # noqa: S311  (no secret)
    raise AssertionError("unreachable: the last attempt returns or raises")


def was_taken_back(error: OperationalError) -> bool:
    """Say whether the database undid the transaction for the sake of another one, so that repeating it makes sense."""
    cause = error.__cause__
    if getattr(cause, "sqlstate", None) in _TAKEN_BACK:
        return True
    return getattr(cause, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
