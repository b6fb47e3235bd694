"""How a request's JSON becomes Python, without a binary float on the way.

Separate because it is the one place where the text of an amount turns into a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import IO, Any

from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

from realtime.protocol.reading import Unreadable, read_json

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_KEYS = 200


class BodyTooLarge(APIException):
    """The request is longer than any this API has a use for."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body is longer than {MAX_BODY_BYTES} bytes. Send one object per request."
    default_code = "too_large"


class ExactJSONParser(JSONParser):
    """JSON whose numbers with a fraction are ``Decimal``, read by the rules of the sockets."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            return read_json(body, max_depth=MAX_DEPTH, max_keys=MAX_KEYS, fraction=_exact)
        except Unreadable as error:
            raise ParseError(f"The body cannot be read as JSON: {error}. Send one object in UTF-8.") from error


def _exact(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation as error:  # an exponent beyond all bounds
        raise Unreadable("a number is too large") from error
