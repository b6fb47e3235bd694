"""Access tokens that are plainly good, told by their signature and a few comparisons: ten thousand come at once.

Apart from ``tokens``, which has credentials read by the library that made them. What is said here is yes or nothing: a
token that is unusual in any way, and each that must be refused, is left to the library.
"""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import msgspec
from rest_framework_simplejwt import state
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
LATEST = 2**32  # seconds: any time that a date can hold
FOR_THE_LIBRARY = ("iss", "sub", "aud", "nbf")
"""Claims with rules of their own, which this project's tokens do not have."""
OF_THE_LIBRARY = ("__init__", "verify", "check_exp", "verify_token_type", "get_token_backend", "_token_backend")
"""What decides whether a token is good: a kind that has it otherwise is none of ours."""


@dataclass(frozen=True, slots=True)
class _Signature:
    """How this project's own tokens begin, and what they are signed with."""

    head: bytes
    keyed: hmac.HMAC  # of nothing yet: the key is worked into it once

    def body(self, raw: bytes) -> bytes | None:
        """What a token says, if it was signed with the key; None if it was not, or is written another way."""
        said, _, signature = raw.rpartition(b".")
        head, _, body = said.partition(b".")
        if head != self.head:
            return None
        # Not hmac.digest(): it lets go of the interpreter, and gets it back when other threads please.
        signed = self.keyed.copy()
        signed.update(said)
        return body if hmac.compare_digest(_text(signed.digest()), signature) else None


def payload_of(raw: str, kind: type[Token]) -> dict[str, Any] | None:
    """The claims of a token of this kind that is plainly good now; None where the library has to look at it."""
    signature = _signature(cast("Any", kind), state.token_backend)
    body = None if signature is None or not raw.isascii() else signature.body(raw.encode())
    payload = None if body is None else _read(body)
    return payload if payload is not None and _is_good(payload, kind) else None


@lru_cache(maxsize=4)
def _signature(kind: type[Token], backend: TokenBackend) -> _Signature | None:
    """How tokens of this kind are signed; None where that, or what makes one good, is not as the library has it."""
    is_own = all(getattr(kind, name) is getattr(Token, name) for name in OF_THE_LIBRARY)
    digest, is_plain = DIGESTS.get(backend.algorithm), type(backend) is TokenBackend
    others = (backend.audience, backend.issuer, backend.jwks_client, backend.leeway)
    if digest is None or not (is_own and is_plain) or any(others) or api_settings.JTI_CLAIM != "jti":
        return None
    head, _, _ = backend.encode({}).partition(".")
    return _Signature(head.encode(), hmac.new(backend.prepared_signing_key, digestmod=digest))


def _is_good(payload: dict[str, Any], kind: type[Token]) -> bool:
    now, expiry, issued = time.time(), payload.get("exp"), payload.get("iat")
    return (
        type(expiry) is int
        and type(issued) is int
        and issued <= now < expiry < LATEST
        and type(payload.get("jti")) is str
        and payload.get(api_settings.TOKEN_TYPE_CLAIM) == kind.token_type
        and not any(claim in payload for claim in FOR_THE_LIBRARY)
    )


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        text = urlsafe_b64decode(body + b"=" * (-len(body) % 4))
        payload = msgspec.json.decode(text)
    except (NoBase64, ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) and _text(text) == body else None


def _text(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
