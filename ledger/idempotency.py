"""``Idempotency-Key``: a request sent twice is done once and answered twice.

Separate because it wraps a whole request: the row of the key is written in the transaction of the change itself, so
both exist or neither does, and a duplicate that arrives meanwhile waits for the first one's commit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.views import signed_in
from accounts.writes import atomically
from ledger.models import IdempotencyKey

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_KEY_LENGTH = 200
LIFETIME = timedelta(days=1)
FORGOTTEN_AT_ONCE = 20


@dataclass(frozen=True)
class Answer:
    """What a request is answered, before it is a response: ``data`` is what JSON can hold."""

    data: Any
    status: int = status.HTTP_201_CREATED


keyed = extend_schema(
    parameters=[
        OpenApiParameter(
            HEADER,
            str,
            OpenApiParameter.HEADER,
            description=f"Sent again with the same body within {LIFETIME.days * 24} h, the request is answered again, "
            f"with `{REPLAYED}: true`, and not done again. With another body: refused, 422.",
        )
    ]
)
"""Says in the OpenAPI document that an operation goes through ``once``."""


class KeyReused(APIException):
    """The key belongs to another request of the same user."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = (
        f"This {HEADER} was used for a request with another body or address. Nothing was done: "
        "send a new key with a new request, and the same body with the same key."
    )
    default_code = "idempotency_key_reused"


def once(request: Request, work: Callable[[], Answer]) -> Response:
    """Run ``work`` in one transaction and answer; for a key that was answered before, give that answer again.

    Only what succeeded is remembered: after an error nothing was written, and the same key may try again. Answers
    are kept for ``LIFETIME``. Raises ``KeyReused`` for the key of another request, ``ValidationError`` for a bad key.
    """
    key = _key(request)
    if key is None:
        answer = atomically(work)
        return Response(answer.data, answer.status)
    return atomically(lambda: _once(request, key, work))


def _once(request: Request, key: str, work: Callable[[], Answer]) -> Response:
    _forget_expired(request, key)
    fingerprint = _fingerprint(request)
    row = _claim(request, key, fingerprint)
    if row is None:
        return _replay(IdempotencyKey.objects.get(user=signed_in(request), key=key), fingerprint)
    answer = work()
    row.status = answer.status
    row.response = JSONRenderer().render(answer.data).decode()
    row.save(update_fields=["status", "response"])
    return Response(answer.data, answer.status)


def _key(request: Request) -> str | None:
    key: str | None = request.headers.get(HEADER)
    if key is None:
        return None
    if not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        raise ValidationError(
            {HEADER: [f"Give 1 to {MAX_KEY_LENGTH} printable ASCII characters, such as a fresh UUID."]}
        )
    return key


def _fingerprint(request: Request) -> str:
    body = json.dumps(request.data, sort_keys=True, default=str)
    return hashlib.sha256(f"{request.method} {request.path}\n{body}".encode()).hexdigest()


def _claim(request: Request, key: str, fingerprint: str) -> IdempotencyKey | None:
    """Insert the key's row, or return None where it stands already; waits for a concurrent claimant's commit."""
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=signed_in(request), key=key, fingerprint=fingerprint)
    except IntegrityError:
        return None


def _replay(row: IdempotencyKey, fingerprint: str) -> Response:
    if row.fingerprint != fingerprint:
        raise KeyReused
    return Response(json.loads(row.response), row.status, headers={REPLAYED: "true"})


def _forget_expired(request: Request, key: str) -> None:
    """Delete this key if it is too old, and a few others. Rows another request is deleting are left to it."""
    expired = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - LIFETIME)
    few = list(expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    expired.filter(Q(pk__in=few) | Q(user=signed_in(request), key=key)).delete()
