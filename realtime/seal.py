"""What processes say to each other over the channel layer, sealed so that nobody else can say it.

Redis is shared with other programs more often than a secret is. Whoever can write there and has no key can delay what
is said, drop it and say it again, none of which costs an event; they cannot invent one, or take a right away.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
from django.conf import settings

SALT = b"realtime.seal"
SIZE = hashlib.sha256().digest_size
SEALED = "sealed"


class Forged(ValueError):
    """The message was not sealed with a key of this project."""


def seal(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message as it goes over the layer: under this project's ``SECRET_KEY``. Nothing in it is hidden."""
    packed = msgspec.msgpack.encode(message)
    return {"type": message["type"], SEALED: _mark(settings.SECRET_KEY, packed) + packed}


def unseal(received: Any) -> dict[str, Any]:
    """The message that was sealed; older keys count too (``SECRET_KEY_FALLBACKS``). Raises Forged for anything else.

    Not promised: that it was said just now, or for the first time.
    """
    sealed = received.get(SEALED) if isinstance(received, dict) else None
    if not isinstance(sealed, bytes):
        raise Forged("not sealed")
    mark, packed = sealed[:SIZE], sealed[SIZE:]
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    if not any(hmac.compare_digest(mark, _mark(key, packed)) for key in keys):
        raise Forged("sealed with another key")
    return msgspec.msgpack.decode(packed, type=dict[str, Any])


def _mark(key: str | bytes, packed: bytes) -> bytes:
    # Not the key itself: Django uses that for sessions, and one key is to have one use.
    own = hashlib.sha256(SALT + (key.encode() if isinstance(key, str) else key)).digest()
    return hmac.digest(own, packed, "sha256")
