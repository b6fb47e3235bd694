"""Which HTTP answer each refusal of the ledger is.

Separate so that no service knows of HTTP and no view maps errors of its own.
"""

from __future__ import annotations

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, IntegrityError
from django.db.models import ProtectedError
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound

from ledger.errors import InsufficientCredit, LedgerError, Refused, TransferLeg


class Conflict(APIException):
    """The request is well-formed, but does not go with what is there. Nothing was written."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = _("Something that this refers to was changed or deleted meanwhile. Fetch it and try again.")
    default_code = "conflict"


class Refusal(APIException):
    """The ledger will not do this; the message says what it would do instead."""

    status_code = status.HTTP_400_BAD_REQUEST


def as_answer(error: Exception) -> Exception:
    """Return ``error`` as the API's own, or unchanged if it is none that a client can do something about."""
    if isinstance(error, InsufficientCredit | TransferLeg):
        return Conflict(str(error), error.code)
    if isinstance(error, LedgerError):
        return Refusal(str(error), error.code)
    if isinstance(error, Refused):
        return Conflict(str(error), "refused")
    if isinstance(error, ProtectedError):
        return Conflict(_("Others refer to it: delete or change those first."), "in_use")
    if isinstance(error, IntegrityError):
        return Conflict()
    if isinstance(error, ObjectDoesNotExist) or _is_vanished(error):
        return NotFound()
    return error


def _is_vanished(error: Exception) -> bool:
    """Say whether the row to be updated was no longer there, for which Django before 6 has no class of its own."""
    return type(error) is DatabaseError or type(error).__name__ == "NotUpdated"
