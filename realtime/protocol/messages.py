"""What the server says: one builder per message, each returning the finished JSON bytes of a frame.

Separate so that a message has one form, whoever sends it on whatever transport.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, UnsetType

from realtime.protocol import envelopes
from realtime.protocol.commands import Command, parse_command
from realtime.protocol.encoding import encode_data, timestamp
from realtime.protocol.errors import ProtocolError
from realtime.protocol.forms import sse_chunk, sse_keepalive, sse_retry, to_msgpack

__all__ = [
    "Command",
    "ReplyTo",
    "authenticated",
    "close",
    "connected",
    "encode_data",
    "error",
    "event_frame",
    "parse_command",
    "ping",
    "poll_answer",
    "pong",
    "reset",
    "response",
    "sse_chunk",
    "sse_keepalive",
    "sse_retry",
    "subscribed",
    "timestamp",
    "to_msgpack",
    "unsubscribed",
]

ReplyTo = str | int | None

_encode = msgspec.json.Encoder().encode


def event_frame(
    type: str,
    topic: str,
    seq: int | None,
    cursor: str | None,
    id: UUID | str,
    timestamp: str,
    data: bytes | str,
    ack: bool = False,
    replayed: bool = False,
) -> bytes:
    """An event's envelope around its data, which is JSON already and is copied as it is, unchecked.

    Without ``seq`` it is an ephemeral event; without ``cursor`` one that is given out of its order.
    """
    return _encode(
        envelopes.Event(
            type=type,
            topic=topic,
            seq=UNSET if seq is None else seq,
            cursor=UNSET if cursor is None else cursor,
            id=str(id),
            timestamp=timestamp,
            ack=ack,
            replayed=replayed,
            data=Raw(data),
        )
    )


def connected(
    *,
    timestamp: str,
    user_id: object,
    connection_id: object,
    cursor: str,
    topics: Mapping[str, int],
    heartbeat: tuple[float, float],
    expires_at: str | None,
) -> bytes:
    """The first frame: ``topics`` with their newest seq at ``cursor``; ``heartbeat``: interval, timeout."""
    data = envelopes.ConnectedData(
        user_id=str(user_id),
        connection_id=str(connection_id),
        cursor=cursor,
        topics=dict(topics),
        heartbeat=envelopes.Heartbeat(*heartbeat),
        expires_at=expires_at,
    )
    return _encode(envelopes.Connected(timestamp=timestamp, data=data))


def subscribed(topic: str, seq: int, replayed: int, cursor: str, reply_to: ReplyTo = None) -> bytes:
    """``topic`` is joined at ``seq``: ``replayed`` events of it came before this, and all up to ``cursor`` did."""
    data = envelopes.SubscribedData(topic, seq, replayed, cursor)
    return _encode(envelopes.Subscribed(reply_to=_given(reply_to), data=data))


def unsubscribed(topic: str, reason: str | None = None, reply_to: ReplyTo = None) -> bytes:
    """``topic`` is left: for ``reason``, or because the client asked for it."""
    data = envelopes.UnsubscribedData(topic, UNSET if reason is None else reason)
    return _encode(envelopes.Unsubscribed(reply_to=_given(reply_to), data=data))


def response(resource: str, params: object, result: object, cursor: str, reply_to: ReplyTo = None) -> bytes:
    """A snapshot. ``result`` may be ``Raw`` JSON, encoded beforehand in the thread that read the rows."""
    data = envelopes.ResponseData(resource, _raw(params), _raw(result), cursor)
    return _encode(envelopes.Response(reply_to=_given(reply_to), data=data))


def authenticated(expires_at: str | None, reply_to: ReplyTo = None) -> bytes:
    """The fresh token is taken, and good until ``expires_at``."""
    return _encode(envelopes.Authenticated(reply_to=_given(reply_to), data=envelopes.AuthenticatedData(expires_at)))


def ping(cursor: str) -> bytes:
    """The heartbeat, with the place the client has been sent."""
    return _encode(envelopes.Ping(cursor))


def pong(reply_to: ReplyTo = None) -> bytes:
    """The answer to a client's Ping."""
    return _encode(envelopes.Pong(reply_to=_given(reply_to)))


def reset(reason: envelopes.ResetReason, cursor: str, topics: Mapping[str, int], reply_to: ReplyTo = None) -> bytes:
    """The client's place is worth nothing: a snapshot, then on from ``cursor``."""
    data = envelopes.ResetData(reason, cursor, dict(topics))
    return _encode(envelopes.Reset(reply_to=_given(reply_to), data=data))


def error(refusal: ProtocolError, reply_to: ReplyTo = None) -> bytes:
    """A refusal that leaves the connection open, to the command it names or to ``reply_to``."""
    answered = refusal.reply_to if refusal.reply_to is not None else reply_to
    return _encode(envelopes.Error(reply_to=_given(answered), data=envelopes.ErrorData(refusal.code, refusal.message)))


def close(refusal: ProtocolError, retry_after: float | None = None) -> bytes:
    """The data of a stream's last event, ``Close``. ``retry_after`` overrides what the refusal says."""
    wait = refusal.retry_after if retry_after is None else retry_after
    return _encode(envelopes.CloseData(refusal.close_code, refusal.message, wait))


def poll_answer(
    events: Iterable[bytes],
    cursor: str,
    *,
    has_more: bool,
    reset: Iterable[bytes],
    poll_interval_ms: int,
    revoked: Iterable[bytes] = (),
    gained: Iterable[bytes] = (),
) -> bytes:
    """One poll, in finished frames: events, topics taken away and gained, a Reset for a worthless cursor."""
    answer = envelopes.PollAnswer(
        events=[Raw(frame) for frame in events],
        cursor=cursor,
        has_more=has_more,
        reset=[Raw(frame) for frame in reset],
        poll_interval_ms=poll_interval_ms,
        revoked=[Raw(frame) for frame in revoked],
        gained=[Raw(frame) for frame in gained],
    )
    return _encode(answer)


def _given(reply_to: ReplyTo) -> str | int | UnsetType:
    return UNSET if reply_to is None else reply_to


def _raw(value: Any) -> Raw:
    return value if isinstance(value, Raw) else Raw(encode_data(value))
