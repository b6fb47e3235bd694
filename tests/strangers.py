"""Another program on our Redis: it knows every channel there is, and has no key of ours."""

from __future__ import annotations

from typing import Any

import msgspec

from config.services.redis import RedisServer

Message = dict[str, Any] | list[Any] | int | None


def say(redis: RedisServer, *payloads: bytes) -> None:
    """Publish bytes to every channel that anybody listens to."""
    with redis.client() as client:
        channels = client.pubsub_channels("*__group__*")
        assert channels, "nobody listens"
        for payload in payloads:
            for channel in channels:
                client.publish(channel, payload)


def packed(*messages: Message) -> list[bytes]:
    """Messages as the layer of the project would write them."""
    return [msgspec.msgpack.encode(message) for message in messages]


RUBBISH: list[bytes] = [
    b"",
    b"\xc1",
    b"{}",
    b"\xff" * 1_000_000,
    b"\x91" * 100_000,
    b"\xdd\xff\xff\xff\xff",
    b"\xc7\x08\xff" + bytes(8),
]
"""What no layer could have written."""
