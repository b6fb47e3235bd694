"""What the admin is asked for that cannot be: a null character, an id that is none, a year beyond all calendars.

Anybody of the staff can write it into an address, and a list hands it to the database as it is.
"""

import logging

from django.core.exceptions import ValidationError
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.views.defaults import bad_request

logger = logging.getLogger(__name__)

IMPOSSIBLE = (DataError, OverflowError, ValidationError)


class OddInput(MiddlewareMixin):
    """Middleware that answers 400 where the admin would fail with 500. Nothing of the request has happened then."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for the view, or for the template, that failed; None leaves it to Django."""
        if not (isinstance(exception, IMPOSSIBLE) and request.path.startswith(reverse("admin:index"))):
            return None
        logger.warning("%s cannot be asked so: %s", request.path, type(exception).__name__)
        return bad_request(request, exception)
