"""The form of everything the server says: one struct per message, its fields in the order of the wire.

Separate from the builders because they are the schema too: the published AsyncAPI document is made from them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

CursorText = Annotated[str, Meta(description="A place in the log, opaque to clients.")]
Seq = Annotated[int, Meta(ge=1, description="Place in the topic: 1, 2, 3 without a hole.")]
Id = Annotated[str, Meta(description="UUIDv7 of the event.", extra_json_schema={"format": "uuid"})]
ReplyTo = Annotated[str | int, Meta(description="The id that the client gave its command.")]
ResetReason = Literal["trimmed", "epoch", "ahead"]
Seqs = Annotated[dict[str, int], Meta(description="Each topic's newest seq at the cursor.")]
When = Annotated[str, Meta(description="RFC 3339, UTC, milliseconds and Z.")]
Expiry = Annotated[When | None, Meta(description="Until when the credential is good; null: without end.")]


class Event(Struct, kw_only=True, omit_defaults=True):
    """One thing that happened on one topic."""

    type: str
    topic: str
    seq: Seq | UnsetType = UNSET
    cursor: CursorText | UnsetType = UNSET
    id: Id
    timestamp: When
    ack: Annotated[bool, Meta(description="Whether an Ack is wanted.")] = False
    replayed: Annotated[bool, Meta(description="Whether it was read back from the log.")] = False
    data: Raw


class Heartbeat(Struct):
    """Seconds between two Pings, and of silence after which the connection is closed."""

    interval: float
    timeout: float


class ConnectedData(Struct):
    """Who is connected, at which place of the log, and to which topics."""

    user_id: str
    connection_id: str
    cursor: CursorText
    topics: Seqs
    heartbeat: Heartbeat
    expires_at: Expiry


class Connected(Struct, tag=True):
    """The first frame of every connection."""

    timestamp: When
    data: ConnectedData


class SubscribedData(Struct):
    """The topic, the newest seq that was sent of it, how many events were replayed, and where the connection stands."""

    topic: str
    seq: int
    replayed: int
    cursor: CursorText


class Subscribed(Struct, tag=True, kw_only=True):
    """Closes the replay of a Subscribe; also sent for a topic gained while connected."""

    reply_to: ReplyTo | UnsetType = UNSET
    data: SubscribedData


class UnsubscribedData(Struct):
    """The topic, and why it is left when nobody asked for that."""

    topic: str
    reason: Annotated[str, Meta(description="`revoked`: access was taken away.")] | UnsetType = UNSET


class Unsubscribed(Struct, tag=True, kw_only=True):
    """Nothing more comes of the topic."""

    reply_to: ReplyTo | UnsetType = UNSET
    data: UnsubscribedData


class ResponseData(Struct):
    """A snapshot that holds at least everything up to ``cursor``."""

    resource: str
    params: Raw
    result: Raw
    cursor: CursorText


class Response(Struct, tag=True, kw_only=True):
    """The answer to a Request."""

    reply_to: ReplyTo | UnsetType = UNSET
    data: ResponseData


class AuthenticatedData(Struct):
    """Until when the fresh token is good."""

    expires_at: Expiry


class Authenticated(Struct, tag=True, kw_only=True):
    """The answer to an Authenticate: the connection goes on with the fresh token."""

    reply_to: ReplyTo | UnsetType = UNSET
    data: AuthenticatedData


class Ping(Struct, tag=True):
    """The heartbeat; any message proves the client alive. It keeps a quiet client's cursor fresh."""

    cursor: CursorText


class Pong(Struct, tag=True, kw_only=True):
    """The answer to a client's own Ping."""

    reply_to: ReplyTo | UnsetType = UNSET


class ResetData(Struct):
    """Why the client's cursor is worth nothing, and where to go on once a snapshot is fetched."""

    reason: ResetReason
    cursor: CursorText
    topics: Seqs


class Reset(Struct, tag=True, kw_only=True):
    """What was missed cannot be replayed: fetch a snapshot, then go on from the cursor given here."""

    reply_to: ReplyTo | UnsetType = UNSET
    data: ResetData


class ErrorData(Struct):
    """What was refused, and what to do about it."""

    code: str
    message: str


class Error(Struct, tag=True, kw_only=True):
    """A command was refused; the connection stays open."""

    reply_to: ReplyTo | UnsetType = UNSET
    data: ErrorData


class CloseData(Struct):
    """Why a stream ends, by the table of close codes; ``retry_after`` in seconds, or null."""

    code: int
    message: str
    retry_after: float | None


class PollAnswer(Struct, omit_defaults=True):
    """What one poll brings. ``reset`` holds a Reset when the cursor handed over was worth nothing.

    ``revoked`` holds an Unsubscribed for each topic that was taken away since the cursor, ``gained`` a Subscribed for
    each that was given since.
    """

    events: list[Raw]
    cursor: CursorText
    has_more: bool
    reset: list[Raw]
    poll_interval_ms: int
    revoked: list[Raw] = []
    gained: list[Raw] = []
